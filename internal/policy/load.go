package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"strata/internal/reference"
	"strata/internal/safefile"
)

const (
	mainFile = "strata.toml"
	dropIns  = "strata.toml.d"

	maxFile = 1 << 20 // bytes of one file
)

// Problems are all that is wrong with a policy, each with file, line and column.
type Problems []error

// Error says all problems in one line.
func (p Problems) Error() string {
	texts := make([]string, len(p))
	for i, err := range p {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the problems.
func (p Problems) Unwrap() []error { return p }

// Load reads the policy below a directory: strata.toml, then the drop-ins by name.
// A key is said in one place. Files that somebody else than root could have written
// are refused. Without files the defaults hold.
func Load(dir string) (*Policy, error) {
	p := Defaults()
	files, err := find(dir)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	var problems Problems
	for _, file := range files {
		data, err := safefile.ReadPath(file, maxFile, safefile.Guarded)
		if errors.Is(err, fs.ErrNotExist) && filepath.Base(file) == mainFile {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		p.files = append(p.files, file)
		problems = append(problems, p.read(file, string(data))...)
	}
	problems = append(problems, p.ties()...)
	if len(problems) > 0 {
		return nil, problems
	}
	return p, nil
}

// find lists the files of a policy and looks after their directories.
func find(dir string) ([]string, error) {
	var files []string
	for _, d := range []string{dir, filepath.Join(dir, dropIns)} {
		root, err := safefile.OpenRoot(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer root.Close()
		if err := root.Guarded(); err != nil {
			return nil, err
		}
		if d == dir {
			files = append(files, filepath.Join(dir, mainFile))
			continue
		}
		names, err := root.List(".")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".") {
				files = append(files, filepath.Join(d, name))
			}
		}
	}
	return files, nil
}

// read adds what a file says.
func (p *Policy) read(file, text string) Problems {
	var document map[string]any
	if _, err := toml.Decode(text, &document); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			where := offset(file, text, syntax.Position.Start)
			return Problems{fmt.Errorf("%v: %s", where, syntax.Message)}
		}
		return Problems{fmt.Errorf("%s: %w", file, err)}
	}
	r := reader{policy: p, places: positions(file, text), file: file}
	r.table("", document, sections)
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		if a.where.Line != b.where.Line {
			return a.where.Line - b.where.Line
		}
		return a.where.Col - b.where.Col
	})
	var problems Problems
	for _, problem := range r.problems {
		problems = append(problems, fmt.Errorf("%v: %w", problem.where, problem.err))
	}
	return problems
}

// offset is the place of a byte. The library counts lines too far where one ends too
// early.
func offset(file, text string, at int) Place {
	before := text[:min(max(at, 0), len(text))]
	return Place{File: file, Line: 1 + strings.Count(before, "\n"), Col: len(before) - strings.LastIndexByte(before, '\n')}
}

// reader reads one file into a policy.
type reader struct {
	policy   *Policy
	file     string
	places   map[string]Place
	problems []problem
}

type problem struct {
	where Place
	err   error
}

// place returns where a key is said, or else where what it is in is said.
func (r *reader) place(path string) Place {
	for {
		if where, ok := r.places[path]; ok {
			return where
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return Place{File: r.file, Line: 1, Col: 1}
		}
		path = path[:cut]
	}
}

func (r *reader) problem(path string, err error) {
	r.problems = append(r.problems, problem{r.place(path), err})
}

// fields says for every key of a table how its value is read.
type fields map[string]func(r *reader, path string, value any) error

// table reads a table's keys; a key that is unknown is a problem.
func (r *reader) table(path string, table map[string]any, known fields) {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		at := key
		if path != "" {
			at = path + "." + key
		}
		read, ok := known[key]
		if !ok {
			known := strings.Join(slices.Sorted(maps.Keys(known)), ", ")
			r.problem(at, fmt.Errorf("unknown key %s; known here are %s", reference.Quote(key), known))
			continue
		}
		if err := read(r, at, table[key]); err != nil {
			r.problem(at, fmt.Errorf("%s: %w", key, err))
		}
	}
}

var sections = fields{
	"profiles": section(fields{
		"dirs":         single(list(directory), func(p *Policy, v []string) { p.Profiles.Dirs = v }),
		"seccomp_root": single(directory, func(p *Policy, v string) { p.Profiles.SeccompRoot = v }),
		"default":      single(parsed(parseDefault), func(p *Policy, v Default) { p.Profiles.Default = v }),
		"exempt":       single(list(parsed(parseNamespace)), func(p *Policy, v []Pattern) { p.Profiles.Exempt = v }),
		"ceiling":      single(parsed(parseCeiling), func(p *Policy, v reference.Reference) { p.Profiles.Ceiling = &v }),
	}),
	"record": section(fields{
		"podman":     single(boolean, func(p *Policy, v bool) { p.Record.Podman = v }),
		"namespaces": single(list(parsed(parseNamespace)), func(p *Policy, v []Pattern) { p.Record.Namespaces = v }),
		"others":     single(boolean, func(p *Policy, v bool) { p.Record.Others = v }),
		"unconfined": single(boolean, func(p *Policy, v bool) { p.Record.Unconfined = v }),
		"on_failure": single(parsed(parseOnFailure), func(p *Policy, v OnFailure) { p.Record.OnFailure = v }),
	}),
	"runtime": section(fields{
		"path":          single(directory, func(p *Policy, v string) { p.Runtime.Path = v }),
		"inject_record": single(boolean, func(p *Policy, v bool) { p.Runtime.InjectRecord = v }),
	}),
	"allow": each(readAllow),
	"bind":  each(readBind),
}

func section(known fields) func(*reader, string, any) error {
	return func(r *reader, path string, value any) error {
		table, ok := value.(map[string]any)
		if !ok {
			return mismatch(value, "a table")
		}
		r.table(path, table, known)
		return nil
	}
}

// single reads a key that may be said once in all files.
func single[T any](read func(any) (T, error), set func(*Policy, T)) func(*reader, string, any) error {
	return func(r *reader, path string, value any) error {
		if before, said := r.policy.places[path]; said {
			return fmt.Errorf("said already at %v", before)
		}
		r.policy.places[path] = r.place(path)
		v, err := read(value)
		if err == nil {
			set(r.policy, v)
		}
		return err
	}
}

// each reads an array of tables.
func each(read func(r *reader, path string, table map[string]any)) func(*reader, string, any) error {
	return func(r *reader, path string, value any) error {
		tables, ok := value.([]map[string]any)
		if !ok {
			return mismatch(value, "tables of the form [["+path+"]]")
		}
		for i, table := range tables {
			read(r, fmt.Sprintf("%s[%d]", path, i), table)
		}
		return nil
	}
}

// field reads a key of a table that may occur several times.
func field[T any](read func(any) (T, error), into *T) func(*reader, string, any) error {
	return func(_ *reader, _ string, value any) (err error) {
		*into, err = read(value)
		return err
	}
}

func readAllow(r *reader, path string, table map[string]any) {
	rule := Allow{Place: r.place(path)}
	r.table(path, table, fields{
		"namespace": field(parsed(parseNamespace), &rule.Namespace),
		"profiles":  field(list(parsed(parseProfiles)), &rule.Profiles),
	})
	for _, key := range []string{"namespace", "profiles"} {
		if _, ok := table[key]; !ok {
			r.problem(path, fmt.Errorf("[[allow]] without %s", key))
		}
	}
	r.policy.Allow = append(r.policy.Allow, rule)
}

func readBind(r *reader, path string, table map[string]any) {
	b := Bind{Place: r.place(path)}
	r.table(path, table, fields{
		"image":     field(parsed(parseImage), &b.Image),
		"namespace": field(parsed(parseNamespace), &b.Namespace),
		"stack":     field(parseStack, &b.Stack),
		"override":  field(boolean, &b.Override),
	})
	_, image := table["image"]
	_, namespace := table["namespace"]
	if !image && !namespace {
		r.problem(path, errors.New("[[bind]] without image or namespace"))
	}
	if _, ok := table["stack"]; !ok {
		r.problem(path, errors.New("[[bind]] without stack"))
	}
	r.policy.Bind = append(r.policy.Bind, b)
}

// ties finds rules and bindings between which nothing decides. Different patterns
// that match one name differ in rank, so only equal ones tie.
func (p *Policy) ties() Problems {
	var problems Problems
	rules := map[Pattern]Place{}
	for _, rule := range p.Allow {
		if before, ok := rules[rule.Namespace]; ok && rule.Namespace != "" {
			problems = append(problems, fmt.Errorf("%v: the profiles of namespace %s are said already at %v", rule.Place, rule.Namespace, before))
		}
		rules[rule.Namespace] = rule.Place
	}
	type target struct {
		Image
		Pattern
	}
	bound := map[target]Place{}
	for _, b := range p.Bind {
		t := target{b.Image, b.Namespace}
		if before, ok := bound[t]; ok && t != (target{}) {
			problems = append(problems, fmt.Errorf("%v: the same containers are bound already at %v", b.Place, before))
		}
		bound[t] = b.Place
	}
	return problems
}

func mismatch(value any, want string) error {
	kind := "a value of another kind"
	switch value.(type) {
	case string:
		kind = "a string"
	case bool:
		kind = "a boolean"
	case int64, float64:
		kind = "a number"
	case []any:
		kind = "a list"
	case map[string]any, []map[string]any:
		kind = "a table"
	}
	return fmt.Errorf("%s where %s is wanted", kind, want)
}

func boolean(value any) (bool, error) {
	v, ok := value.(bool)
	if !ok {
		return false, mismatch(value, "true or false")
	}
	return v, nil
}

func parsed[T any](parse func(string) (T, error)) func(any) (T, error) {
	return func(value any) (T, error) {
		var none T
		text, ok := value.(string)
		if !ok {
			return none, mismatch(value, "a string")
		}
		if len(text) > maxText {
			return none, fmt.Errorf("%s is longer than %d bytes", reference.Quote(text), maxText)
		}
		return parse(text)
	}
}

func list[T comparable](read func(any) (T, error)) func(any) ([]T, error) {
	return func(value any) ([]T, error) {
		values, ok := value.([]any)
		if !ok {
			return nil, mismatch(value, "a list")
		}
		var all []T
		for _, value := range values {
			v, err := read(value)
			if err != nil {
				return nil, err
			}
			if slices.Contains(all, v) {
				return nil, fmt.Errorf("%v is in the list twice", value)
			}
			all = append(all, v)
		}
		return all, nil
	}
}

func directory(value any) (string, error) {
	return parsed(func(text string) (string, error) { return text, reference.CheckPath(text) })(value)
}

func parseDefault(text string) (Default, error) {
	switch text {
	case defaultOff:
		return Default{}, nil
	case defaultLog:
		return Default{Profile: &reference.Reference{Kind: reference.Default}, Log: true}, nil
	}
	r, err := reference.ParseTrusted(text)
	if err == nil && r.Kind == reference.Unconfined {
		err = fmt.Errorf("unconfined restricts nothing: say %q", defaultOff)
	}
	if err != nil {
		return Default{}, err
	}
	return Default{Profile: &r}, nil
}

func parseCeiling(text string) (reference.Reference, error) {
	r, err := reference.ParseTrusted(text)
	if err == nil && r.Kind == reference.Unconfined {
		err = errors.New("unconfined restricts nothing: leave the ceiling out")
	}
	return r, err
}

func parseOnFailure(text string) (OnFailure, error) {
	switch f := OnFailure(text); f {
	case Stop, Warn:
		return f, nil
	}
	return "", fmt.Errorf("%s: say %q or %q", reference.Quote(text), Stop, Warn)
}

func parseStack(value any) ([]reference.Reference, error) {
	layers, err := list(parsed(reference.ParseTrusted))(value)
	switch {
	case err != nil:
		return nil, err
	case len(layers) == 0:
		return nil, errors.New("a stack has at least one layer")
	case len(layers) > 1 && slices.Contains(layers, reference.Reference{Kind: reference.Unconfined}):
		return nil, errors.New("unconfined is no layer: name it alone or leave it out")
	}
	return layers, nil
}
