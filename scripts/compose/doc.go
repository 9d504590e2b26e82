// Package compose is empty: its module pins the Docker Compose that tests run.
package compose
