// Each request to /fill keeps 4 MiB until LIVE_MIB are kept, and replaces some of it from then on. So garbage comes as
// fast as what is kept, and the heap doubles before it is collected, unless GOMEMLIMIT is set.
package main

import (
	"log"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"sync"
)

const (
	pieceBytes = 64 << 10
	pieces     = 64
)

var (
	lock sync.Mutex
	kept [][]byte
	most int
)

func piece() []byte {
	made := make([]byte, pieceBytes)
	for at := 0; at < pieceBytes; at += 4096 {
		made[at] = 1
	}
	return made
}

func fill(response http.ResponseWriter, _ *http.Request) {
	lock.Lock()
	defer lock.Unlock()
	for number := 0; number < pieces; number++ {
		if len(kept)*pieceBytes < most {
			kept = append(kept, piece())
		} else if len(kept) > 0 {
			kept[rand.Intn(len(kept))] = piece()
		}
	}
	response.WriteHeader(http.StatusOK)
}

func main() {
	mib, err := strconv.Atoi(os.Getenv("LIVE_MIB"))
	if err != nil {
		log.Fatal(err)
	}
	most = mib << 20
	http.HandleFunc("/fill", fill)
	http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) { response.WriteHeader(http.StatusOK) })
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
}
