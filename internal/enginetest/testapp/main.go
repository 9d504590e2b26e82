// Testapp is the program inside of test images: a web server whose behaviour
// is set by its environment, and a few commands for images without a shell.
//
//	PORT          port to listen on (8080)
//	VERSION       what / answers
//	STATUS        HTTP status of / (200)
//	HEALTH_AFTER  /healthz answers 503 for this long after the start
//	FAIL_HEALTH   /healthz answers 503 always
//	SICK_FILE     /healthz answers 503 while this file is there
//	EXIT_AFTER    exit after this long, with EXIT_CODE (1)
//	EXIT_FILE     exit so as soon as this file is there
//	WRITE_FILE    write VERSION to this path at the start
package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	command := "serve"
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch command {
	case "serve":
		os.Exit(serve(ctx))
	case "sleep":
		<-ctx.Done()
	case "health":
		os.Exit(health())
	case "print":
		fmt.Println(os.Args[2:])
	case "touch":
		os.Exit(touch(os.Args[2]))
	case "remove":
		os.Exit(remove(os.Args[2]))
	case "true":
	case "false":
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "testapp: unknown command %q\n", command)
		os.Exit(2)
	}
}

func port() string { return cmp.Or(os.Getenv("PORT"), "8080") }

// serve runs until ctx ends or EXIT_AFTER has passed, and returns the exit code.
func serve(ctx context.Context) int {
	fmt.Println("testapp: version", os.Getenv("VERSION"), "starts")
	if path := os.Getenv("WRITE_FILE"); path != "" {
		if err := os.WriteFile(path, []byte(os.Getenv("VERSION")), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "testapp:", err)
			return 1
		}
	}
	var exit <-chan time.Time
	if text := os.Getenv("EXIT_AFTER"); text != "" {
		exit = time.After(duration(text))
	}
	if path := os.Getenv("EXIT_FILE"); path != "" {
		exit = appearing(path)
	}
	failed := make(chan error, 1)
	go func() { failed <- http.ListenAndServe(":"+port(), handler()) }()
	select {
	case <-ctx.Done():
		return 0
	case err := <-failed:
		fmt.Fprintln(os.Stderr, "testapp:", err)
		return 1
	case <-exit:
		code := number(cmp.Or(os.Getenv("EXIT_CODE"), "1"))
		fmt.Fprintln(os.Stderr, "testapp: exits with", code)
		return code
	}
}

func handler() http.Handler {
	started := time.Now()
	warmUp := duration(cmp.Or(os.Getenv("HEALTH_AFTER"), "0s"))
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("FAIL_HEALTH") != "" || time.Since(started) < warmUp || exists(os.Getenv("SICK_FILE")) {
			http.Error(w, "not healthy", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		if info, err := os.Stat(r.FormValue("path")); err == nil {
			w.Header().Set("X-Mode", info.Mode().String())
		}
		_, _ = w.Write(data)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(number(cmp.Or(os.Getenv("STATUS"), "200")))
		fmt.Fprintln(w, os.Getenv("VERSION"))
		for _, name := range r.URL.Query()["env"] {
			fmt.Fprintf(w, "%s=%s\n", name, os.Getenv(name))
		}
	})
	return mux
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

// appearing receives when a file is there.
func appearing(path string) <-chan time.Time {
	there := make(chan time.Time, 1)
	go func() {
		for !exists(path) {
			time.Sleep(20 * time.Millisecond)
		}
		there <- time.Now()
	}()
	return there
}

// touch makes a file, and remove takes it away again.
func touch(path string) int { return done(os.WriteFile(path, nil, 0o644)) }

func remove(path string) int { return done(os.Remove(path)) }

func done(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "testapp:", err)
		return 1
	}
	return 0
}

// health asks the server in the same container how it is.
func health() int {
	resp, err := http.Get("http://127.0.0.1:" + port() + "/healthz")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_ = resp.Body.Close()
	fmt.Println("healthz:", resp.Status)
	if resp.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testapp:", err)
		os.Exit(2)
	}
	return d
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testapp:", err)
		os.Exit(2)
	}
	return n
}
