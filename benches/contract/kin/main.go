// Measures what kin-openapi needs to parse and validate a body: `go run . DEFINITION BODY…` prints microseconds per KiB.
package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"
)

const rounds, per = 20, 20

func main() {
	document, err := openapi3.NewLoader().LoadFromFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	router, err := legacy.NewRouter(document)
	if err != nil {
		panic(err)
	}
	for _, name := range os.Args[2:] {
		body, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		best := time.Duration(1 << 62)
		for round := 0; round < rounds; round++ {
			var spent time.Duration
			for turn := 0; turn < per; turn++ {
				request, _ := http.NewRequest("POST", "/orders", bytes.NewReader(body))
				request.Header.Set("Content-Type", "application/json")
				route, parameters, err := router.FindRoute(request)
				if err != nil {
					panic(err)
				}
				input := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route}
				start := time.Now()
				// The body alone: parsing it, and validating what was parsed.
				err = openapi3filter.ValidateRequestBody(context.Background(), input, route.Operation.RequestBody.Value)
				spent += time.Since(start)
				if err != nil {
					panic(err)
				}
			}
			if spent/per < best {
				best = spent / per
			}
		}
		kib := float64(len(body)) / 1024
		fmt.Printf("kin-openapi %s %.2f us/KiB\n", name, float64(best.Nanoseconds())/1000/kib)
	}
}
