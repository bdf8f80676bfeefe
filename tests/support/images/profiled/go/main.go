// A shop whose visitors' baskets are kept, and which may build an index.
package main

import (
	"fmt"
	"log"
	"net/http"
	_ "net/http/pprof"
	"os"
	"strconv"
)

type item struct {
	Number int
	Name   string
}

var (
	index   [][]byte
	catalog []*item
)

func buildIndex(mib int) {
	for number := 0; number < mib*16; number++ {
		entry := make([]byte, 64<<10)
		for at := 0; at < len(entry); at += 4096 {
			entry[at] = 1
		}
		index = append(index, entry)
	}
}

func load(items int) {
	for number := 0; number < items; number++ {
		catalog = append(catalog, &item{number, fmt.Sprintf("item number %d", number)})
	}
}

func main() {
	mib, _ := strconv.Atoi(os.Getenv("GROWTH_MIB"))
	load(200_000)
	buildIndex(mib)
	http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(response, len(index)+len(catalog))
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
}
