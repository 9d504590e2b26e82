// Package secrets owns what must not be shown: env files that SOPS encrypted,
// decrypted in memory and read by Compose's rules; files of its other formats,
// for containers to read as they were; values that do not print;
// the Redactor that masks them in free text; and the Vault, the server's own
// key, which seals what is kept for later.
//
// No error of this package contains a value of a file.
package secrets
