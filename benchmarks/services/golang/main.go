// A shop: each visitor has a basket that a later visit replaces, and each answer leaves garbage behind.
package main

import (
	"encoding/json"
	"log"
	"math/rand"
	"net/http"
	"sync"
)

type item struct {
	Number int      `json:"number"`
	Price  float64  `json:"price"`
	Tags   []string `json:"tags"`
}

const visitors = 300

var (
	lock    sync.Mutex
	baskets = map[int][]item{}
)

func shop(response http.ResponseWriter, _ *http.Request) {
	basket := make([]item, rand.Intn(2000))
	for number := range basket {
		basket[number] = item{number, rand.Float64(), []string{"new", "in stock"}}
	}
	body, err := json.Marshal(basket)
	var copied []item
	if err == nil {
		err = json.Unmarshal(body, &copied)
	}
	if err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	lock.Lock()
	baskets[rand.Intn(visitors)] = copied
	lock.Unlock()
	response.Header().Set("Content-Type", "application/json")
	if _, err := response.Write(body); err != nil {
		log.Print(err)
	}
}

func main() {
	http.HandleFunc("/", shop)
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
}
