package traefik

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

func pemOf(t *testing.T, until time.Time, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestReadStorage(t *testing.T) {
	until := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	text := fmt.Sprintf(`{"le": {"Account": {"Email": "ops@example.org", "Registration": {"body": {"status": "valid"}, "uri": "https://ca/acct/1"}, "PrivateKey": "c2VjcmV0", "KeyType": "4096"},
		"Certificates": [
			{"domain": {"main": "a.example.org", "sans": ["b.example.org"]}, "certificate": %q, "key": "c2VjcmV0", "Store": "default"},
			{"domain": {"main": "b.example.org"}, "certificate": %q, "key": "c2VjcmV0", "Store": "default"}]},
		"fresh": {"Account": null, "Certificates": null}}`, pemOf(t, until, "a.example.org", "b.example.org"), pemOf(t, until.Add(time.Hour), "b.example.org"))
	s, err := ReadStorage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	le := s["le"]
	if len(s) != 2 || le.Email != "ops@example.org" || le.Account != "https://ca/acct/1" || len(le.Certificates) != 2 || len(s["fresh"].Certificates) != 0 {
		t.Fatalf("got %+v", s)
	}
	if c, ok := le.For("B.example.org"); !ok || !c.Chain[0].NotAfter.Equal(until.Add(time.Hour)) {
		t.Errorf("the one that lasts longest is not taken: %+v", c)
	}
	if c, ok := le.For("a.example.org"); !ok || Set(c.Names()) != Set([]string{"B.example.org", "a.example.org"}) {
		t.Errorf("got %v", c.Names())
	}
	if _, ok := le.For("c.example.org"); ok {
		t.Error("a certificate for a name that none has")
	}
	if strings.Contains(fmt.Sprintf("%+v", s), "secret") {
		t.Error("the key was read")
	}
}

func TestStoragesThatCannotBeRead(t *testing.T) {
	for text, why := range map[string]string{
		" \n": "is empty", `{"le": "hush"`: "not the JSON", `{"le": {"Certificates": [{"domain": {"main": "a"}, "certificate": "aHVzaA=="}]}}`: "certificate of a in resolver le: it is not in PEM form",
	} {
		_, err := ReadStorage([]byte(text))
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
