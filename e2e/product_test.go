package e2e

import (
	"os"
	"testing"

	"deployer/internal/producttest"
)

func TestMain(m *testing.M) { os.Exit(producttest.Main(m)) }

// A product is a running deployer over one stack, with what these tests ask
// of it besides.
type product struct {
	*producttest.Product
	t     *testing.T
	proxy *engineProxy // in front of the Engine, where there is one
}

func newProduct(t *testing.T) *product {
	t.Helper()
	return &product{Product: producttest.New(t), t: t}
}
