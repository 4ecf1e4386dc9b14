package policy

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strata/internal/reference"
	"strata/internal/request"
)

var (
	podman = request.Identity{Trust: request.Trusted, Engine: request.Podman}
	docker = request.Identity{Engine: request.Other}
	shop   = pod("shop", "registry.example/shop/web:1.2")
	system = pod("kube-system", "registry.example/dns:1")
)

func pod(namespace, image string) request.Identity {
	return request.Identity{Engine: request.CRIO, Namespace: namespace, Pod: "pod", Container: "app", Image: image}
}

func record(unconfined bool) *request.Record {
	return &request.Record{Key: "io.strata.record", Name: "web", Unconfined: unconfined, Denied: !unconfined}
}

func stack(t testing.TB, layers ...string) *request.Stack {
	return &request.Stack{Key: "io.strata.stack", Layers: refs(t, layers...)}
}

func refs(t testing.TB, names ...string) []reference.Reference {
	t.Helper()
	var all []reference.Reference
	for _, name := range names {
		r, err := reference.ParseTrusted(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestDecide(t *testing.T) {
	const bound = `
[[bind]]
namespace = "shop"
stack = ["base", "web"]
[[bind]]
namespace = "free"
stack = ["base", "web"]
override = true
`
	type want struct {
		mode    string
		layers  []string
		log     bool
		tighten bool
		ceiling string
		refused string // part of the error
	}
	for _, c := range []struct {
		name   string
		policy string
		id     request.Identity
		record *request.Record
		stack  *request.Stack
		want   want
	}{
		{"nothing", "", podman, nil, nil, want{mode: "disabled"}},
		{"nothing in a pod", "", shop, nil, nil, want{mode: "disabled"}},

		{"podman records", "", podman, record(false), nil, want{mode: "recording"}},
		{"podman records unconfined", "", podman, record(true), nil, want{mode: "recording and applying", layers: []string{"unconfined"}}},
		{"podman may not record", "record.podman = false", podman, record(false), nil, want{refused: "record.podman is false"}},
		{"a pod records unasked", "", shop, record(false), nil, want{refused: "namespace shop"}},
		{"a pod records", `record.namespaces = ["shop"]`, shop, record(false), nil, want{mode: "recording"}},
		{"a pod of a family records", `record.namespaces = ["sh*"]`, shop, record(false), nil, want{mode: "recording"}},
		{"a pod of another namespace", `record.namespaces = ["shop2", "shopp*"]`, shop, record(false), nil, want{refused: "record.namespaces"}},
		{"a pod records unconfined", `record.namespaces = ["*"]`, shop, record(true), nil, want{refused: "record.unconfined"}},
		{"a pod may record unconfined", "record.namespaces = [\"*\"]\nrecord.unconfined = true", shop, record(true), nil,
			want{mode: "recording and applying", layers: []string{"unconfined"}}},
		{"recorded unconfined below a ceiling", "profiles.ceiling = \"runtime/default\"", podman, record(true), nil,
			want{mode: "recording and applying", layers: []string{"unconfined"}, ceiling: "runtime/default"}},
		{"docker records", `record.namespaces = ["*"]`, docker, record(false), nil, want{refused: "record.others"}},
		{"docker may record", "record.others = true", docker, record(false), nil, want{mode: "recording"}},
		{"docker records unconfined", "record.others = true", docker, record(true), nil, want{refused: "record.unconfined"}},

		{"podman stacks", "", podman, nil, stack(t, "base", "/srv/web.json"), want{mode: "applying", layers: []string{"base", "/srv/web.json"}}},
		{"podman unconfined", "", podman, nil, stack(t, "unconfined"), want{mode: "applying", layers: []string{"unconfined"}}},
		{"a pod stacks what is installed", "", shop, nil, stack(t, "runtime/default", "localhost/a/b.json", "web"),
			want{mode: "applying", layers: []string{"runtime/default", "localhost/a/b.json", "web"}}},
		{"a pod unconfined", "", shop, nil, stack(t, "unconfined"), want{refused: "unconfined"}},
		{"a pod unconfined by a star", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"*\", \"localhost/*\"]", shop, nil, stack(t, "unconfined"), want{refused: "unconfined"}},
		{"a pod unconfined by name", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"unconfined\"]", shop, nil, stack(t, "unconfined"),
			want{mode: "applying", layers: []string{"unconfined"}}},
		{"a path that slipped through", "[[allow]]\nnamespace = \"*\"\nprofiles = [\"*\", \"localhost/*\"]", shop, nil, stack(t, "/etc/shadow"), want{refused: "/etc/shadow"}},
		{"a rule for others", "[[allow]]\nnamespace = \"other\"\nprofiles = []", shop, nil, stack(t, "web"), want{mode: "applying", layers: []string{"web"}}},
		{"a rule that allows nothing", "[[allow]]\nnamespace = \"*\"\nprofiles = []", shop, nil, stack(t, "web"), want{refused: "web"}},
		{"the most specific rule", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"web\"]\n[[allow]]\nnamespace = \"sho*\"\nprofiles = []\n[[allow]]\nnamespace = \"*\"\nprofiles = []",
			shop, nil, stack(t, "web"), want{mode: "applying", layers: []string{"web"}}},
		{"the longer beginning", "[[allow]]\nnamespace = \"s*\"\nprofiles = [\"web\"]\n[[allow]]\nnamespace = \"sho*\"\nprofiles = []",
			shop, nil, stack(t, "web"), want{refused: "web"}},
		{"a directory of the profile directories", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"app/*\"]", shop, nil, stack(t, "app/web"), want{mode: "applying", layers: []string{"app/web"}}},
		{"out of that directory", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"app/*\"]", shop, nil, stack(t, "base/runc"), want{refused: "base/runc"}},
		{"one layer of two", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"web\"]", shop, nil, stack(t, "base", "web"), want{refused: "base"}},
		{"the name of another kind", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"localhost/*\"]", shop, nil, stack(t, "web"), want{refused: "web"}},
		{"the other way round", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"*\"]", shop, nil, stack(t, "localhost/web"), want{refused: "localhost/web"}},
		{"a directory", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"localhost/shop/*\"]", shop, nil, stack(t, "localhost/shop/a/b"),
			want{mode: "applying", layers: []string{"localhost/shop/a/b"}}},
		{"another directory", "[[allow]]\nnamespace = \"shop\"\nprofiles = [\"localhost/shop/*\"]", shop, nil, stack(t, "localhost/shops/a"), want{refused: "localhost/shops/a"}},
		{"rules are not podman's", "[[allow]]\nnamespace = \"*\"\nprofiles = []", podman, nil, stack(t, "web"), want{mode: "applying", layers: []string{"web"}}},
		{"docker stacks", "", docker, nil, stack(t, "web"), want{mode: "applying", layers: []string{"web"}}},
		{"docker by a rule", "[[allow]]\nnamespace = \"*\"\nprofiles = []", docker, nil, stack(t, "web"), want{refused: "outside Kubernetes"}},

		{"bound", bound, shop, nil, nil, want{mode: "applying", layers: []string{"base", "web"}}},
		{"bound and asked the same", bound, shop, nil, stack(t, "base", "web"), want{mode: "applying", layers: []string{"base", "web"}}},
		{"bound and asked another", bound, shop, nil, stack(t, "web"), want{refused: "bound to base,web"}},
		{"bound and asked in another order", bound, shop, nil, stack(t, "web", "base"), want{refused: "bound to base,web"}},
		{"bound and overridden", bound, pod("free", ""), nil, stack(t, "web"), want{mode: "applying", layers: []string{"web"}}},
		{"overridden by what it may not name", bound, pod("free", ""), nil, stack(t, "unconfined"), want{refused: "unconfined"}},
		{"bound others", bound, system, nil, nil, want{mode: "disabled"}},
		{"bound and recorded", bound + "\n[record]\nnamespaces = [\"shop\"]", shop, record(false), nil, want{mode: "recording and applying", layers: []string{"base", "web"}}},
		{"bound and recorded unconfined", bound + "\n[record]\nnamespaces = [\"shop\"]\nunconfined = true", shop, record(true), nil, want{refused: "bound to base,web"}},
		{"podman is not bound by namespaces", bound, podman, nil, nil, want{mode: "disabled"}},
		{"podman is bound by image", "[[bind]]\nimage = \"*\"\nstack = [\"web\"]", request.Identity{Trust: request.Trusted, Image: "localhost/a"}, nil, nil,
			want{mode: "applying", layers: []string{"web"}}},
		{"podman asks for another", "[[bind]]\nimage = \"*\"\nstack = [\"web\"]", request.Identity{Trust: request.Trusted, Image: "localhost/a"}, nil, stack(t, "/srv/x"),
			want{mode: "applying", layers: []string{"/srv/x"}}},

		{"default log", `profiles.default = "log"`, shop, nil, nil, want{mode: "applying", layers: []string{"runtime/default"}, log: true, tighten: true}},
		{"default profile", `profiles.default = "localhost/d.json"`, podman, nil, nil, want{mode: "applying", layers: []string{"localhost/d.json"}, tighten: true}},
		{"default with ceiling", "profiles.default = \"web\"\nprofiles.ceiling = \"top\"", shop, nil, nil, want{mode: "applying", layers: []string{"web"}, tighten: true, ceiling: "top"}},
		{"default and asked", `profiles.default = "log"`, shop, nil, stack(t, "web"), want{mode: "applying", layers: []string{"web"}}},
		{"default and bound", "profiles.default = \"log\"\n" + bound, shop, nil, nil, want{mode: "applying", layers: []string{"base", "web"}}},
		{"default exempt", `profiles.default = "log"`, system, nil, nil, want{mode: "disabled"}},
		{"default exempt by a star", "profiles.default = \"log\"\nprofiles.exempt = [\"sh*\"]", shop, nil, nil, want{mode: "disabled"}},
		{"default and recorded", "profiles.default = \"web\"", podman, record(false), nil, want{mode: "recording and applying", layers: []string{"web"}, tighten: true}},
		{"ceiling alone", `profiles.ceiling = "top"`, shop, nil, nil, want{mode: "disabled"}},
		{"ceiling for podman", `profiles.ceiling = "top"`, podman, nil, stack(t, "unconfined"), want{mode: "applying", layers: []string{"unconfined"}, ceiling: "top"}},

		{"recorded unconfined with a stack", "", podman, record(true), stack(t, "web"), want{refused: "disagree"}},
		{"recorded with a stack", "", podman, record(false), stack(t, "web"), want{mode: "recording and applying", layers: []string{"web"}}},
	} {
		d, err := load(t, c.policy).Decide(&request.Request{Identity: c.id, Record: c.record, Stack: c.stack})
		if c.want.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.want.refused) || !strings.Contains(err.Error(), "io.strata.") {
				t.Errorf("%s: %+v, %v; want an error with %q", c.name, d, err, c.want.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := want{mode: modeOf(d)}
		if p := d.Profile; p != nil {
			for _, layer := range p.Layers {
				got.layers = append(got.layers, layer.String())
			}
			got.log, got.tighten = p.Log, p.Tighten
			if p.Ceiling != nil {
				got.ceiling = p.Ceiling.String()
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if d.Record != c.record {
			t.Errorf("%s: records %+v", c.name, d.Record)
		}
		if (len(d.Reasons) == 0) != (modeOf(d) == "disabled") {
			t.Errorf("%s: %s because of %q", c.name, modeOf(d), d.Reasons)
		}
	}
}

func TestOnRecordFailure(t *testing.T) {
	for text, want := range map[string]OnFailure{"": Stop, `record.on_failure = "stop"`: Stop, `record.on_failure = "warn"`: Warn} {
		d, err := load(t, text).Decide(&request.Request{Identity: podman, Record: record(false)})
		if err != nil || d.OnRecordFailure != want {
			t.Errorf("%q: %+v, %v", text, d, err)
		}
	}
}

func TestBindingOfImage(t *testing.T) {
	const digest = "@sha256:25aabb9537b9ae3ad58f6a012d3073e98e974e98e2478339b914c6b6238ccc56"
	p := load(t, `
[[bind]]
image = "*"
stack = ["any"]
[[bind]]
image = "registry.example:5000/*"
stack = ["registry"]
[[bind]]
image = "registry.example:5000/shop/*"
stack = ["shop"]
[[bind]]
image = "registry.example:5000/shop/web"
stack = ["name"]
[[bind]]
image = "registry.example:5000/shop/web:1"
stack = ["tag"]
[[bind]]
image = "registry.example:5000/shop/web`+digest+`"
stack = ["digest"]
[[bind]]
image = "registry.example:5000/shop/web:1`+digest+`"
stack = ["both"]
[[bind]]
image = "registry.example:5000/shop/*"
namespace = "ci-*"
stack = ["shop-in-ci"]
[[bind]]
namespace = "ci-1"
stack = ["ci-1"]
[[bind]]
namespace = "*"
stack = ["pods"]
`)
	for _, c := range []struct{ image, namespace, want string }{
		{"registry.example:5000/shop/web:1" + digest, "", "both"},
		{"registry.example:5000/shop/web:2" + digest, "", "digest"},
		{"registry.example:5000/shop/web" + digest, "", "digest"},
		{"registry.example:5000/shop/web:1", "", "tag"},
		{"registry.example:5000/shop/web:1@sha256:00", "", "tag"},
		{"registry.example:5000/shop/web:2", "", "name"},
		{"registry.example:5000/shop/web", "", "name"},
		{"registry.example:5000/shop/webx", "", "shop"},
		{"registry.example:5000/shop/web/x", "", "shop"},
		{"registry.example:5000/shopping", "", "registry"},
		{"registry.example", "", "any"},
		{"", "", ""},
		{"registry.example:5000/shop/db", "ci-1", "shop-in-ci"},
		{"registry.example:5000/shop/web", "ci-1", "name"},
		{"", "ci-1", "ci-1"},
		{"", "ci-2", "pods"},
		{"other", "ci-1", "any"}, // images go before namespaces
	} {
		b := p.binding(pod(c.namespace, c.image))
		got := ""
		if b != nil {
			got = names(b.Stack)
		}
		if got != c.want {
			t.Errorf("%s in %q: %q, want %q", c.image, c.namespace, got, c.want)
		}
	}
}

// Law: of bindings that Load accepts, two different ones that match one container
// never tie, so their order in the files means nothing.
func TestBindingsAreOrdered(t *testing.T) {
	images := rapid.SampledFrom([]Image{"", "*", "a*", "a/b*", "a/b", "a/b:1", "a/b:2", "a/b@d", "a/b:1@d", "a/b:1*"})
	namespaces := rapid.SampledFrom([]Pattern{"", "*", "n*", "ns*", "ns", "nx"})
	rapid.Check(t, func(t *rapid.T) {
		p := &Policy{}
		for i := range rapid.IntRange(1, 8).Draw(t, "bindings") {
			b := Bind{Image: images.Draw(t, "image"), Namespace: namespaces.Draw(t, "namespace"), Place: Place{Line: i + 1}}
			if b.Image != "" || b.Namespace != "" {
				p.Bind = append(p.Bind, b)
			}
		}
		if len(p.ties()) > 0 {
			return
		}
		id := pod(
			rapid.SampledFrom([]string{"", "n", "ns", "nx"}).Draw(t, "of namespace"),
			rapid.SampledFrom([]string{"", "a", "a/b", "a/b:1", "a/b:2", "a/b@d", "a/b:1@d", "c"}).Draw(t, "of image"),
		)
		first := p.binding(id)
		reversed := &Policy{Bind: slices.Clone(p.Bind)}
		slices.Reverse(reversed.Bind)
		second := reversed.binding(id)
		if (first == nil) != (second == nil) || first != nil && (first.Image != second.Image || first.Namespace != second.Namespace) {
			t.Errorf("%+v: %+v or %+v, by the order of the files", id, first, second)
		}
	})
}

func TestDefaultString(t *testing.T) {
	web := reference.Reference{Kind: reference.Named, Name: "web"}
	for want, d := range map[string]Default{"off": {}, "log": {Profile: &web, Log: true}, "web": {Profile: &web}} {
		if d.String() != want {
			t.Errorf("%+v: %s, want %s", d, d, want)
		}
	}
}

// modeOf names a decision in one word or two.
func modeOf(d *Decision) string {
	switch {
	case d.Record != nil && d.Profile != nil:
		return "recording and applying"
	case d.Record != nil:
		return "recording"
	case d.Profile != nil:
		return "applying"
	}
	return "disabled"
}
