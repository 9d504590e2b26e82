// Package sqlite3 stands in for the driver of this name, which needs a C
// compiler: under the same name it registers the one in pure Go, as newer
// versions of Gitea do.
package sqlite3

import (
	"database/sql"
	"database/sql/driver"
	"regexp"

	"modernc.org/sqlite"
)

type pure struct{ sqlite.Driver }

// options are written in another way.
var options = regexp.MustCompile(`_(busy_timeout|journal_mode)=(\w+)`)

func (p *pure) Open(name string) (driver.Conn, error) {
	return p.Driver.Open(options.ReplaceAllString(name, "_pragma=$1($2)"))
}

func init() { sql.Register("sqlite3", new(pure)) }
