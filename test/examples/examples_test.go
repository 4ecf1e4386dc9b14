// Package examples checks what docs/examples shows: that every file is what it is called, and that annotations, policies
// and paths in it are those of this version.
package examples

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"

	"strata/internal/policy"
	"strata/internal/request"
)

const examples = "../../docs/examples"

// files reads all examples, by their paths.
func files(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(examples, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(examples, path)
		if err != nil {
			return err
		}
		all[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("%d examples", len(all))
	}
	return all
}

// parsers say how files are read, by how their names end.
var parsers = []struct {
	suffix string
	parse  func(path string, data []byte) error
}{
	{".toml", parseTOML},
	{".conf", parseTOML},
	{".json", func(_ string, data []byte) error { return json.Unmarshal(data, &map[string]any{}) }},
	{".yaml", func(_ string, data []byte) error { _, err := objects(data); return err }},
	{".sh", parseShell},
	{"/install", parseShell},
	{".container", parseUnit},
	{"/Containerfile", func(_ string, data []byte) error {
		if !bytes.Contains(data, []byte("\nFROM ")) {
			return errors.New("it builds on nothing")
		}
		return nil
	}},
}

func parseTOML(_ string, data []byte) error { return toml.Unmarshal(data, &map[string]any{}) }

func parseShell(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode()&0o111 == 0 || !bytes.HasPrefix(data, []byte("#!/bin/sh\n")) {
		return errors.New("it is no program")
	}
	if out, err := exec.Command("sh", "-n", path).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// parseUnit reads a file of systemd's kind: sections, and keys with values.
func parseUnit(_ string, data []byte) error {
	for i, line := range strings.Split(string(data), "\n") {
		switch key, _, ok := strings.Cut(line, "="); {
		case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
		case !ok || strings.ContainsAny(key, " \t"):
			return fmt.Errorf("line %d: %q", i+1, line)
		}
	}
	return nil
}

// objects reads the documents of a YAML file.
func objects(data []byte) ([]map[string]any, error) {
	var all []map[string]any
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var object map[string]any
		switch err := decoder.Decode(&object); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case object["kind"] == nil || object["apiVersion"] == nil:
			return nil, errors.New("not an object of Kubernetes")
		}
		all = append(all, object)
	}
}

func TestExamplesParse(t *testing.T) {
	for name, data := range files(t) {
		parsed := false
		for _, p := range parsers {
			if strings.HasSuffix(name, p.suffix) {
				parsed = true
				if err := p.parse(filepath.Join(examples, name), data); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if !parsed {
			t.Errorf("%s: nobody knows how to read it", name)
		}
	}
}

var annotation = regexp.MustCompile(`(?:--annotation |Annotation=)(\S+)`)

// What people copy is accepted.
func TestAnnotations(t *testing.T) {
	found := 0
	check := func(name string, annotations map[string]string, trust request.Trust) *request.Request {
		r, err := request.Parse(request.Input{Annotations: annotations, Trust: trust})
		if err != nil || r.Stack == nil && r.Record == nil {
			t.Errorf("%s: %v asks for nothing (%v)", name, annotations, err)
		}
		found++
		return r
	}
	node := load(t, files(t)["kubernetes/strata.toml"])
	for name, data := range files(t) {
		for _, match := range annotation.FindAllSubmatch(data, -1) {
			key, value, _ := strings.Cut(string(match[1]), "=")
			check(name, map[string]string{key: value}, trust(name))
		}
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		all, err := objects(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range all {
			var pod struct {
				Metadata struct {
					Name, Namespace string
					Annotations     map[string]string
				}
			}
			text, err := yaml.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(text, &pod); err != nil || object["kind"] != "Pod" {
				continue
			}
			if pod.Metadata.Namespace != "" {
				pod.Metadata.Annotations["io.kubernetes.pod.namespace"] = pod.Metadata.Namespace
				pod.Metadata.Annotations["io.kubernetes.pod.name"] = pod.Metadata.Name
				pod.Metadata.Annotations["io.kubernetes.container.name"] = "server"
			}
			asked := check(name, pod.Metadata.Annotations, trust(name))
			if _, err := node.Decide(asked); strings.HasPrefix(name, "kubernetes/") && err != nil {
				t.Errorf("%s: the policy beside it refuses it: %v", name, err)
			}
		}
	}
	if found < 5 {
		t.Errorf("%d annotations are shown", found)
	}
}

// trust is that of the hooks that see an example's annotations.
func trust(name string) request.Trust {
	if strings.HasPrefix(name, "podman/") {
		return request.Trusted
	}
	return request.Untrusted
}

func load(t *testing.T, text []byte) *policy.Policy {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "strata.toml"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := policy.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An annotation that the engine drops is not asked for: containerd has to pass on all that there are.
func TestEnginesPassAnnotationsOn(t *testing.T) {
	all := files(t)
	var containerd struct {
		Plugins map[string]struct {
			Containerd struct {
				Runtimes map[string]struct {
					Annotations []string `toml:"pod_annotations"`
				}
			}
		}
	}
	if err := toml.Unmarshal(all["containerd/config.toml"], &containerd); err != nil {
		t.Fatal(err)
	}
	patterns := containerd.Plugins["io.containerd.cri.v1.runtime"].Containerd.Runtimes["strata"].Annotations
	keys := request.Keys()
	for _, key := range keys {
		if strings.HasPrefix(key, "io.containers.") { // it holds paths, which only Podman's hooks take
			continue
		}
		if !slices.ContainsFunc(patterns, func(p string) bool { ok, err := path.Match(p, key); return ok && err == nil }) {
			t.Errorf("containerd drops %s", key)
		}
	}
	var crio struct {
		CRIO struct {
			Runtime struct {
				Runtimes map[string]struct {
					Annotations []string `toml:"allowed_annotations"`
				}
			}
		}
	}
	if err := toml.Unmarshal(all["kubernetes/10-strata.conf"], &crio); err != nil {
		t.Fatal(err)
	}
	allowed := crio.CRIO.Runtime.Runtimes["strata"].Annotations
	if len(allowed) == 0 {
		t.Error("CRI-O's handler allows no annotations")
	}
	for _, key := range allowed {
		if !slices.Contains(keys, key) {
			t.Errorf("CRI-O is told of %s, which Strata does not know", key)
		}
	}
}

var installed = regexp.MustCompile(`/usr/(?:local|share)/[a-z/.-]*(?:strata|oci)[a-z/.-]*[a-z]`)

// Every path of Strata's is one that make install makes.
func TestPaths(t *testing.T) {
	cmd := exec.Command("make", "-n", "-C", "../..", "install-podman", "install-crio")
	for _, variable := range os.Environ() { // none of what make itself was called with
		if name, _, _ := strings.Cut(variable, "="); !slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PREFIX", "DESTDIR"}, name) {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	made := string(out)
	found := 0
	for name, data := range files(t) {
		for _, p := range installed.FindAllString(string(data), -1) {
			found++
			dir, base := filepath.Split(p)
			if !strings.Contains(made, p) && !(strings.Contains(made, strings.TrimSuffix(dir, "/")) && strings.Contains(made, base)) {
				t.Errorf("%s: %s is not installed", name, p)
			}
		}
	}
	if found < 8 {
		t.Errorf("%d paths are shown", found)
	}
}

// What the manifests name is there.
func TestKustomization(t *testing.T) {
	all := files(t)
	var k struct {
		Resources          []string
		ConfigMapGenerator []struct{ Files []string } `yaml:"configMapGenerator"`
		Images             []struct{ Name string }
	}
	if err := yaml.Unmarshal(all["kubernetes/kustomization.yaml"], &k); err != nil {
		t.Fatal(err)
	}
	if len(k.Resources) == 0 || len(k.ConfigMapGenerator) != 1 || len(k.Images) != 1 {
		t.Fatalf("%+v", k)
	}
	for _, file := range append(k.Resources, k.ConfigMapGenerator[0].Files...) {
		if all["kubernetes/"+file] == nil {
			t.Errorf("there is no %s", file)
		}
	}
	for _, file := range k.ConfigMapGenerator[0].Files {
		if !strings.Contains(string(all["kubernetes/install"]), "/config/"+file) {
			t.Errorf("%s is not installed on the node", file)
		}
	}
	if !strings.Contains(string(all["kubernetes/daemonset.yaml"]), "image: "+k.Images[0].Name) {
		t.Errorf("no container has the image %s", k.Images[0].Name)
	}
}

// The script of the manifests' image puts everything in place, and again over what is there.
func TestInstallScript(t *testing.T) {
	dir := t.TempDir()
	script := strings.NewReplacer("cd /strata", `cd "$ROOT/strata"`, `"/host/`, `"$ROOT/host/`, " /host/", ` "$ROOT"/host/`, " /config/", ` "$ROOT"/config/`).
		Replace(string(files(t)["kubernetes/install"]))
	write := func(name, text string, mode fs.FileMode) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write("strata/usr/local/libexec/strata/strata-runtime", "program", 0o755)
	link("strata-runtime", "strata/usr/local/libexec/strata/strata-runc")
	write("config/..data/strata.toml", "policy", 0o644)
	write("config/..data/10-strata.conf", "handler", 0o644)
	link("..data/strata.toml", "config/strata.toml")
	link("..data/10-strata.conf", "config/10-strata.conf")
	for range 2 {
		cmd := exec.Command("sh", "-c", script)
		cmd.Env = append(os.Environ(), "ROOT="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for name, want := range map[string]string{
			"host/usr/local/libexec/strata/strata-runtime": "program", "host/usr/local/libexec/strata/strata-runc": "program",
			"host/etc/strata/strata.toml": "policy", "host/etc/crio/crio.conf.d/10-strata.conf": "handler",
		} {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if to, err := os.Readlink(filepath.Join(dir, "host/usr/local/libexec/strata/strata-runc")); err != nil || to != "strata-runtime" {
			t.Errorf("strata-runc is a link to %q, %v", to, err)
		}
		if info, err := os.Lstat(filepath.Join(dir, "host/etc/strata/strata.toml")); err != nil || !info.Mode().IsRegular() {
			t.Errorf("strata.toml: %v, %v", info, err)
		}
	}
}
