// Package traefik is empty: its module pins the Traefik that tests run.
package traefik
