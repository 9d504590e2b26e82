package giteatest

import (
	"crypto/rand"
	"fmt"
)

// settings is an app.ini of a server that nobody has to install, that tells
// listeners of this machine, and that leaves out what tests do not look at.
func settings(dir, files string, port int) string {
	return fmt.Sprintf(`RUN_MODE = prod
WORK_PATH = %[1]s

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[3]d
ROOT_URL = http://127.0.0.1:%[3]d/
STATIC_ROOT_PATH = %[2]s
DISABLE_SSH = true
LFS_START_SERVER = false
OFFLINE_MODE = true

[database]
DB_TYPE = sqlite3
PATH = %[1]s/gitea.db
SQLITE_JOURNAL_MODE = WAL
SQLITE_TIMEOUT = 20000

[security]
INSTALL_LOCK = true
SECRET_KEY = %[4]s
INTERNAL_TOKEN = %[5]s
PASSWORD_HASH_ALGO = pbkdf2$1000$50

[webhook]
ALLOWED_HOST_LIST = loopback
PAGING_NUM = 100

[log]
MODE = console
LEVEL = Warn

[indexer]
ISSUE_INDEXER_TYPE = db

[session]
PROVIDER = memory

[actions]
ENABLED = false

[packages]
ENABLED = false

[oauth2]
ENABLED = false

[cron.update_checker]
ENABLED = false
`, dir, files, port, rand.Text(), rand.Text())
}
