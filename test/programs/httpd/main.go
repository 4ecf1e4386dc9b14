// Command httpd is an HTTP server as Go programs are: it listens on the address in its first argument, answers every
// request, and ends on SIGTERM once the requests under way are answered. Requests for /work keep the Go runtime busy, so
// that it does what it does only now and then: preempt, collect, give memory back, start threads. /file/PATH is the
// file of that path, and /fetch/URL what another server answers.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	done := make(chan error)
	go func() {
		<-ended.Done()
		done <- server.Shutdown(context.Background())
	}()
	fmt.Println("httpd: listening on", listener.Addr())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	fmt.Println("httpd: done")
}

func answer(w http.ResponseWriter, r *http.Request) {
	if file, ok := strings.CutPrefix(r.URL.Path, "/file/"); ok {
		http.ServeFile(w, r, "/"+file)
		return
	}
	if url, ok := strings.CutPrefix(r.URL.Path, "/fetch/"); ok {
		fetch(w, url)
		return
	}
	if r.URL.Path == "/work" {
		work()
	}
	fmt.Fprintf(w, "%s %s\n", r.Method, r.URL.Path)
}

// fetch answers with what another server says.
func fetch(w http.ResponseWriter, url string) {
	response, err := http.Get(url)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	if _, err := io.Copy(w, response.Body); err != nil {
		log.Print(err)
	}
}

func work() {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for end := time.Now().Add(30 * time.Millisecond); time.Now().Before(end); {
				sink.Store(make([]byte, 1<<16))
			}
		})
	}
	all.Go(func() {
		time.Sleep(time.Millisecond)
		debug.FreeOSMemory()
	})
	all.Go(func() { // blocks a thread
		if data, err := os.ReadFile("/proc/self/status"); err == nil {
			sink.Store(data)
		}
	})
	all.Wait()
}

var sink atomic.Value
