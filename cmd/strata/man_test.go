package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write the manual pages")

const manDir = "../../docs"

// manPages generates the page of every command, by its file's name.
func manPages(t *testing.T) map[string][]byte {
	t.Helper()
	root := newRoot()
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	date := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	pages := map[string][]byte{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() && cmd != root {
			return
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Date: &date, Source: "Strata", Manual: "User commands"}
		cmd.DisableAutoGenTag = true
		var page bytes.Buffer
		must(t, doc.GenMan(cmd, header, &page))
		pages[name+".1"] = page.Bytes()
		for _, sub := range cmd.Commands() {
			if cmd.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk(root)
	return pages
}

// The manual pages in docs are those of these commands.
func TestManPages(t *testing.T) {
	pages := manPages(t)
	if len(pages) < 10 {
		t.Fatalf("only %d pages", len(pages))
	}
	for name, page := range pages {
		path := filepath.Join(manDir, name)
		if *update {
			must(t, os.WriteFile(path, page, 0o644))
		}
		there, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(there, page) {
			t.Errorf("%s is not current: run go generate ./cmd/strata (%v)", path, err)
		}
	}
	existing, err := filepath.Glob(filepath.Join(manDir, "strata*.1"))
	must(t, err)
	for _, path := range existing {
		if pages[filepath.Base(path)] != nil || strings.HasPrefix(filepath.Base(path), "strata-hook") || strings.HasPrefix(filepath.Base(path), "strata-runtime") {
			continue
		}
		if *update {
			must(t, os.Remove(path))
		} else {
			t.Errorf("%s is of no command", path)
		}
	}
}
