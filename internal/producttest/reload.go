package producttest

import (
	"strings"
	"syscall"
	"time"
)

// Reload has the server read its configuration again, as a service manager
// does, and reports whether it is in force then.
func (p *Product) Reload() (good bool) {
	p.T.Helper()
	const said = "deployer.yaml was read again and is "
	before := strings.Count(p.Log.String(), said)
	if err := p.process.Process.Signal(syscall.SIGHUP); err != nil {
		p.T.Fatal(err)
	}
	p.Eventually(20*time.Second, "the server has read its configuration again", func() bool {
		return strings.Count(p.Log.String(), said) > before
	})
	log := p.Log.String()
	return strings.HasPrefix(log[strings.LastIndex(log, said)+len(said):], "in force")
}
