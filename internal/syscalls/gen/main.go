// Command gen makes the tables of package syscalls.
//
//	go run ./internal/syscalls/gen                                     write table.go from syscalls.txt
//	go run ./internal/syscalls/gen -headers DIR -kernel VERSION        first write syscalls.txt from the headers below DIR
//
// DIR is an unpacked linux-libc-dev package of Debian trixie or later (dpkg-deb -x FILE DIR): it has the headers of all
// architectures in usr/include/TRIPLET/asm.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	headers := flag.String("headers", "", "directory of an unpacked linux-libc-dev package to read syscalls.txt from")
	kernel := flag.String("kernel", "", "version of those headers")
	dir := flag.String("dir", ".", "directory of package syscalls")
	flag.Parse()
	if err := run(*headers, *kernel, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(headers, kernel, dir string) error {
	text := filepath.Join(dir, "syscalls.txt")
	if headers != "" {
		if kernel == "" {
			return fmt.Errorf("-headers needs -kernel VERSION")
		}
		t, err := fromHeaders(os.DirFS(headers), kernel)
		if err != nil {
			return err
		}
		if err := os.WriteFile(text, t.text(), 0o644); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(text)
	if err != nil {
		return err
	}
	t, err := parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	source, err := t.source()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "table.go"), source, 0o644)
}
