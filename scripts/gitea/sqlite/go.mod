module github.com/mattn/go-sqlite3

go 1.26.0

require modernc.org/sqlite v1.53.0
