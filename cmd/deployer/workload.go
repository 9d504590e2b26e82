package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// newWorkload is the service that the demo deploys: its image holds nothing
// but this binary, so that nothing has to be pulled.
func newWorkload() *cobra.Command {
	cmd := &cobra.Command{
		Use: "workload", Short: "The demo's web service", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			srv := &http.Server{Addr: ":8080", Handler: workload(os.Getenv("GREETING"), os.Getenv("BROKEN") != ""), ReadHeaderTimeout: time.Second}
			context.AfterFunc(cmd.Context(), func() { _ = srv.Close() })
			if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use: "health", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			res, err := (&http.Client{Timeout: time.Second}).Get("http://127.0.0.1:8080/health")
			if err == nil {
				err = res.Body.Close()
			}
			return err
		},
	})
	return cmd
}

// workload greets; a broken one is up, but answers with an error.
func workload(greeting string, broken bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		if broken {
			http.Error(w, "the database is not there", http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, greeting)
	})
	return mux
}
