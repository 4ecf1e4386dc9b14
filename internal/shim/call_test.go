package shim

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line string
		want Call
	}{
		// As engines write them.
		{"--root=/run/runc create --bundle /b --pid-file /b/pidfile c1", Call{Command: create, Bundle: "/b", ID: "c1"}},
		{"--systemd-cgroup --root=/run/runc create --bundle /b --pid-file /p --no-pivot c1", Call{Command: create, Bundle: "/b", ID: "c1"}},
		{"--root /run/containerd/runc/k8s.io --log /t/log.json --log-format json --systemd-cgroup create --bundle /b --pid-file /b/init.pid --console-socket /s c1",
			Call{Command: create, Bundle: "/b", ID: "c1", Log: "/t/log.json", LogFormat: "json"}},
		{"--log-format=json --log=/t/log --root=/r create --bundle /b --pid-file /p --preserve-fds 3 c1", Call{Command: create, Bundle: "/b", ID: "c1", Log: "/t/log", LogFormat: "json"}},
		{"--cgroup-manager=cgroupfs --debug run -b /b -d c1", Call{Command: run, Bundle: "/b", ID: "c1"}},

		{"create c1", Call{Command: create, Bundle: ".", ID: "c1"}},
		{"create c1 --bundle /b", Call{Command: create, Bundle: "/b", ID: "c1"}},
		{"create --bundle /a -b /b c1", Call{Command: create, Bundle: "/b", ID: "c1"}},
		{"create -b /a --bundle=/b c1", Call{Command: create, Bundle: "/b", ID: "c1"}},
		{"create --bundle= c1", Call{Command: create, Bundle: ".", ID: "c1"}},
		{"create --bundle --pid-file c1", Call{Command: create, Bundle: "--pid-file", ID: "c1"}},
		{"create -b -- c1", Call{Command: create, Bundle: "--", ID: "c1"}},
		{"create -b /b -- --bundle", Call{Command: create, Bundle: "/b", ID: "--bundle"}},
		{"-- create --bundle /b c1", Call{Command: create, Bundle: "/b", ID: "c1"}},
		{"--root create run c1", Call{Command: run, Bundle: ".", ID: "c1"}},
		{"--debug=true create --no-pivot=true c1", Call{Command: create, Bundle: ".", ID: "c1"}},
		{"restore --image-path /i --work-path /w --detach --bundle /b c1", Call{Command: restore, Bundle: "/b", ID: "c1"}},

		// What the runtime gets as it is.
		{"", Call{}},
		{"--version", Call{}},
		{"--version create c1", Call{}},
		{"features", Call{}},
		{"--root=/r state c1", Call{}},
		{"--root=/r start c1", Call{}},
		{"--root=/r --log=/l delete --force create", Call{Log: "/l", Deletes: []string{"create"}}},
		{"delete c1", Call{Deletes: []string{"c1"}}},
		{"kill --all c1 TERM", Call{}},
		{"exec --process p.json --pid-file /p c1", Call{}},
		{"exec c1 /bin/create run", Call{}},
		{"--future kill c1", Call{}},
		{"--future=x --other kill c1", Call{}},
		{"create --help", Call{}},
		{"run -h", Call{}},
		{"list", Call{}},
		{"-", Call{}},
	} {
		if got, err := Parse(strings.Fields(c.line)); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.line, got, err, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for line, says := range map[string]string{
		"--future create c1":                  `"--future"`,
		"--future x create c1":                `"--future"`,
		"--future x exec c1 run":              `"--future"`,
		"-root /r create c1":                  `"-root"`,
		"--roo /r create c1":                  `"--roo"`,
		"--debug=1 run c1":                    `"--debug=1"`,
		"--version=x create c1":               `"--version=x"`,
		"create":                              "not 0",
		"create c1 c2":                        "not 2",
		"create --bundle /b":                  "not 0",
		"create c1 --bundle":                  `"--bundle"`,
		"create --bund /b c1":                 `"--bund"`,
		"create -b/b c1":                      `"-b/b"`,
		"create -b=/b c1":                     `"-b=/b"`,
		"create -db /b c1":                    `"-db"`,
		"create -bundle /b c1":                `"-bundle"`,
		"create --config /c --bundle /b c1":   `"--config"`,
		"create -f /c c1":                     `"-f"`,
		"create --config=/c c1":               `"--config=/c"`,
		"create --no-pivot=false c1":          `"--no-pivot=false"`,
		"create --help=no c1":                 `"--help=no"`,
		"restore --config /c c1":              `"--config"`,
		"run --future c1":                     `"--future"`,
		"create " + strings.Repeat("-x", 500): `"-x-x`,
	} {
		if got, err := Parse(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), says) || got.Command != "" {
			t.Errorf("%.200s: %+v, %v; want an error with %s", line, got, err, says)
		}
	}
}

// Law: however the options of a container's making are spelt and ordered, its bundle and id are found.
func TestParseFindsTheBundle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z/=-]{1,8}`)
		draw := func(known map[string]kind, but ...string) []string {
			var words []string
			for name, k := range known {
				if slices.Contains(but, name) || (k != value && k != flag) || !rapid.Bool().Draw(t, name) {
					continue
				}
				switch {
				case k == flag:
					words = append(words, name)
				case strings.HasPrefix(name, "--") && rapid.Bool().Draw(t, "joined"):
					words = append(words, name+"="+text.Draw(t, "value"))
				default:
					words = append(words, name, text.Draw(t, "value"))
				}
			}
			return words
		}
		command := rapid.SampledFrom([]string{create, run, restore}).Draw(t, "command")
		options := draw(commands[command], "--bundle", "-b")
		bundle, id := rapid.StringMatching(`/[a-z=-]{1,8}`).Draw(t, "bundle"), rapid.StringMatching(`[a-z][a-z-]{0,8}`).Draw(t, "id")
		said := rapid.SampledFrom([][]string{{"--bundle", bundle}, {"--bundle=" + bundle}, {"-b", bundle}}).Draw(t, "spelling")
		line := append(draw(global), command)
		line = append(line, rapid.SampledFrom([][]string{
			slices.Concat(options, said, []string{id}), slices.Concat(said, options, []string{id}),
			slices.Concat([]string{id}, options, said), slices.Concat(options, said, []string{"--", id}),
		}).Draw(t, "order")...)
		got, err := Parse(line)
		if err != nil || got.Command != command || got.Bundle != bundle || got.ID != id {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("--root=/r create --bundle /b c1")
	f.Add("--log x -- run -d c1 -b b")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		call, err := Parse(words)
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%d bytes of message", len(err.Error()))
		}
		if call.Command == "" {
			return
		}
		if !slices.Contains(words, call.Command) || !slices.Contains(words, call.ID) || call.Bundle == "" {
			t.Errorf("%q: %+v", words, call)
		}
	})
}
