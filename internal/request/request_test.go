package request

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"strata/internal/reference"
)

// pod is what CRI-O and the kubelet say about the container "app" of a pod.
var pod = map[string]string{
	"io.container.manager":            "cri-o",
	"io.kubernetes.cri-o.ImageName":   "registry.example/shop/web:1.2",
	"io.kubernetes.container.name":    "app",
	"io.kubernetes.pod.name":          "web-0",
	"io.kubernetes.pod.namespace":     "shop",
	"io.kubernetes.pod.uid":           "0b1c",
	"io.kubernetes.container.hash":    "1a2b",
	"io.kubernetes.cri-o.Annotations": `{"io.strata.record":"quoted, not a request"}`,
}

// libpod is what Podman says about a container.
var libpod = map[string]string{
	"io.container.manager":               "libpod",
	"io.kubernetes.cri-o.TTY":            "false",
	"io.podman.annotations.autoremove":   "TRUE",
	"org.opencontainers.image.base.name": "",
}

type notes = map[string]string

// inPod and inPodman add annotations to those that the engine makes.
func inPod(more notes) Input    { return Input{Annotations: with(pod, more)} }
func inPodman(more notes) Input { return Input{Annotations: with(libpod, more), Trust: Trusted} }

func with(base, more notes) notes {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

func ref(kind reference.Kind, name string) reference.Reference {
	return reference.Reference{Kind: kind, Name: name}
}

func TestParseRecord(t *testing.T) {
	long := strings.Repeat("l", reference.MaxName)
	for _, c := range []struct {
		name string
		in   Input
		want *Record
	}{
		{"nothing asked", inPodman(nil), nil},
		{"nothing asked in a pod", inPod(nil), nil},
		{"a name", inPodman(notes{"io.strata.record": "web"}),
			&Record{Key: "io.strata.record", Name: "web", Denied: true}},
		{"the longest name", inPodman(notes{"io.strata.record": long}),
			&Record{Key: "io.strata.record", Name: long, Denied: true}},
		{"all options", inPodman(notes{"io.strata.record": "web", "io.strata.record.seccomp": "keep", "io.strata.record.denied": "false", "io.strata.record.merge": "true"}),
			&Record{Key: "io.strata.record", Name: "web", Merge: true}},
		{"unconfined", inPodman(notes{"io.strata.record": "web", "io.strata.record.seccomp": "unconfined"}),
			&Record{Key: "io.strata.record", Name: "web", Unconfined: true}},
		{"unconfined, denied off", inPodman(notes{"io.strata.record": "web", "io.strata.record.seccomp": "unconfined", "io.strata.record.denied": "false"}),
			&Record{Key: "io.strata.record", Name: "web", Unconfined: true}},

		{"a pod's name", inPod(notes{"io.strata.record": "web"}),
			&Record{Key: "io.strata.record", Name: "shop_web", Denied: true}},
		{"a pod without a name", inPod(notes{"io.strata.record": ""}),
			&Record{Key: "io.strata.record", Name: "shop_web-0_app", Denied: true}},
		{"a pod that says true", inPod(notes{"io.strata.record": "true"}),
			&Record{Key: "io.strata.record", Name: "shop_web-0_app", Denied: true}},
		{"the container before its pod", inPod(notes{"io.strata.record": "web", "io.strata.record/app": "true", "io.strata.record/other": "other"}),
			&Record{Key: "io.strata.record/app", Name: "shop_web-0_app", Denied: true}},
		{"options by container", inPod(notes{"io.strata.record": "", "io.strata.record.merge": "true", "io.strata.record.merge/app": "false"}),
			&Record{Key: "io.strata.record", Name: "shop_web-0_app", Denied: true}},
		{"another container's", inPod(notes{"io.strata.record/other": "web", "io.strata.record.merge/other": "true"}), nil},
		{"another container's path", inPod(notes{"io.containers.trace-syscall/other": "of:/out.json"}), nil},
		{"a long name in a pod", inPod(notes{"io.strata.record": long}),
			&Record{Key: "io.strata.record", Name: fit("shop_" + long), Denied: true}},

		{"trace", inPodman(notes{"io.containers.trace-syscall": "of:/tmp/out.json"}),
			&Record{Key: "io.containers.trace-syscall", Output: "/tmp/out.json", Denied: true}},
		{"trace with input", inPodman(notes{"io.containers.trace-syscall": "of:/tmp/out.json;if:/tmp/in.json"}),
			&Record{Key: "io.containers.trace-syscall", Output: "/tmp/out.json", Input: "/tmp/in.json", Denied: true}},
		{"trace, input first", inPodman(notes{"io.containers.trace-syscall": "if:/tmp/in.json; of:/tmp/out.json"}),
			&Record{Key: "io.containers.trace-syscall", Output: "/tmp/out.json", Input: "/tmp/in.json", Denied: true}},
		{"trace for a container", inPodman(notes{"io.kubernetes.container.name": "app", "io.containers.trace-syscall/app": "of:/tmp/out.json"}),
			&Record{Key: "io.containers.trace-syscall/app", Output: "/tmp/out.json", Denied: true}},
	} {
		r, err := Parse(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !reflect.DeepEqual(r.Record, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, r.Record, c.want)
		}
	}
}

func TestFit(t *testing.T) {
	seen := map[string]string{}
	for _, tail := range []string{"", "a", "b", "ab", strings.Repeat("c", 100)} {
		long := strings.Repeat("n", reference.MaxName+1) + tail
		name := fit(long)
		if err := reference.CheckName(name); err != nil {
			t.Errorf("fit: %q: %v", name, err)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q have one name", long, other)
		}
		seen[name] = long
	}
}

func TestParseStack(t *testing.T) {
	const (
		pods       = "seccomp.security.alpha.kubernetes.io/pod"
		apps       = "container.seccomp.security.alpha.kubernetes.io/app"
		others     = "container.seccomp.security.alpha.kubernetes.io/other"
		olderPods  = "security.alpha.kubernetes.io/seccomp/pod"
		olderApps  = "security.alpha.kubernetes.io/seccomp/container/app"
		stacks     = "io.strata.stack"
		stacksApps = "io.strata.stack/app"
	)
	base, web := ref(reference.Named, "base"), ref(reference.Named, "web")
	localWeb := ref(reference.Localhost, "team/web.json")
	standard, none := ref(reference.Default, ""), ref(reference.Unconfined, "")
	type layers = []reference.Reference
	for _, c := range []struct {
		name   string
		in     Input
		key    string
		layers layers
	}{
		{"nothing", inPod(nil), "", nil},
		{"one", inPod(notes{stacks: "web"}), stacks, layers{web}},
		{"two", inPod(notes{stacks: "base,web"}), stacks, layers{base, web}},
		{"spaces", inPod(notes{stacks: " base , web "}), stacks, layers{base, web}},
		{"every kind of name", inPod(notes{stacks: "runtime/default,localhost/team/web.json,web"}), stacks, layers{standard, localWeb, web}},
		{"a path", inPodman(notes{stacks: "base,/srv/web.json"}), stacks, layers{base, ref(reference.Path, "/srv/web.json")}},
		{"colons", inPodman(notes{stacks: "base:web:/srv/web.json"}), stacks, layers{base, web, ref(reference.Path, "/srv/web.json")}},
		{"unconfined alone", inPod(notes{stacks: "unconfined"}), stacks, layers{none}},
		{"by container", inPod(notes{stacks: "base", stacksApps: "web"}), stacksApps, layers{web}},

		{"pod", inPod(notes{pods: "runtime/default"}), pods, layers{standard}},
		{"docker's name", inPod(notes{pods: "docker/default"}), pods, layers{standard}},
		{"pod unconfined", inPod(notes{pods: "unconfined"}), pods, layers{none}},
		{"pod localhost", inPod(notes{pods: "localhost/team/web.json"}), pods, layers{localWeb}},
		{"container", inPod(notes{apps: "runtime/default"}), apps, layers{standard}},
		{"older pod", inPod(notes{olderPods: "runtime/default"}), olderPods, layers{standard}},
		{"older container", inPod(notes{olderApps: "localhost/team/web.json"}), olderApps, layers{localWeb}},
		{"container before pod", inPod(notes{pods: "unconfined", apps: "runtime/default"}), apps, layers{standard}},
		{"older container before newer pod", inPod(notes{pods: "unconfined", olderApps: "runtime/default"}), olderApps, layers{standard}},
		{"another container's", inPod(notes{others: "unconfined"}), "", nil},
		{"pod beside another container's", inPod(notes{pods: "runtime/default", others: "unconfined"}), pods, layers{standard}},
		{"new and old agree", inPod(notes{pods: "runtime/default", olderPods: "docker/default"}), pods, layers{standard}},
		{"all agree", inPod(notes{pods: "localhost/team/web.json", olderPods: "localhost/team/web.json", stacks: "localhost/team/web.json"}), stacks, layers{localWeb}},
		{"the container's ways agree", inPod(notes{apps: "runtime/default", stacksApps: "runtime/default", pods: "unconfined"}), apps, layers{standard}},
	} {
		r, err := Parse(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var want *Stack
		if c.layers != nil {
			want = &Stack{Key: c.key, Layers: c.layers}
		}
		if !reflect.DeepEqual(r.Stack, want) {
			t.Errorf("%s: %+v, want %+v", c.name, r.Stack, want)
		}
	}
}

func TestIdentity(t *testing.T) {
	containerd := notes{
		"io.kubernetes.cri.container-type":    "container",
		"io.kubernetes.cri.sandbox-namespace": "shop",
		"io.kubernetes.cri.sandbox-name":      "web-0",
		"io.kubernetes.cri.sandbox-uid":       "0b1c",
		"io.kubernetes.cri.container-name":    "app",
		"io.kubernetes.cri.image-name":        "registry.example/web:1",
	}
	for _, c := range []struct {
		name string
		in   Input
		want Identity
	}{
		{"cri-o", inPod(nil), Identity{Engine: CRIO, Namespace: "shop", Pod: "web-0", PodUID: "0b1c", Container: "app", Image: "registry.example/shop/web:1.2"}},
		{"podman", inPodman(nil), Identity{Trust: Trusted, Engine: Podman}},
		{"podman with its storage", Input{Annotations: libpod, Trust: Trusted, Image: Image{Name: "localhost/web:1"}},
			Identity{Trust: Trusted, Engine: Podman, Image: "localhost/web:1"}},
		{"podman by hook files of others", Input{Annotations: libpod}, Identity{Engine: Podman}},
		{"containerd", Input{Annotations: containerd},
			Identity{Engine: Containerd, Namespace: "shop", Pod: "web-0", PodUID: "0b1c", Container: "app", Image: "registry.example/web:1"}},
		{"docker", Input{}, Identity{Engine: Other}},
		{"a pod that plays podman stays untrusted", inPod(notes{"io.container.manager": "libpod"}),
			Identity{Engine: Podman, Namespace: "shop", Pod: "web-0", PodUID: "0b1c", Container: "app", Image: "registry.example/shop/web:1.2"}},
	} {
		r, err := Parse(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if r.Identity != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, r.Identity, c.want)
		}
	}
}

// kubePlay is what podman kube play says about a container of a pod.
func kubePlay(more notes, in Input) Input {
	in.Annotations = with(with(libpod, notes{"io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": "f6c34e0c"}), more)
	in.Trust = Trusted
	return in
}

// The containers of a pod of podman kube play are told apart, also where one's name
// ends like another's.
func TestKubePlay(t *testing.T) {
	const prefix = "container.seccomp.security.alpha.kubernetes.io/"
	keys := notes{prefix + "web": "unconfined", prefix + "a-web": "runtime/default", "io.strata.record/web": "web"}
	for _, c := range []struct {
		hostname, container string
		stack               reference.Kind
		record              bool
	}{
		{"shop", "shop-web", reference.Unconfined, true},
		{"shop", "shop-a-web", reference.Default, false},
		{"shop-a", "shop-a-web", reference.Unconfined, true},
		{"shop", "shop-db", 0, false},
	} {
		r, err := Parse(kubePlay(keys, Input{Hostname: c.hostname, Image: Image{Container: c.container}}))
		if err != nil {
			t.Errorf("%s in %s: %v", c.container, c.hostname, err)
			continue
		}
		got := reference.Kind(0)
		if r.Stack != nil {
			got = r.Stack.Layers[0].Kind
		}
		if got != c.stack || (r.Record != nil) != c.record {
			t.Errorf("%s in %s: %+v, %+v", c.container, c.hostname, r.Stack, r.Record)
		}
	}
}

func TestAsks(t *testing.T) {
	for key, want := range map[string]bool{"io.strata.record": true, "io.strata.recrod": true, "io.containers.trace-syscall/x": true, "io.other": false} {
		if got := Asks(with(libpod, notes{key: ""})); got != want {
			t.Errorf("%s: %t", key, got)
		}
	}
}

// Every row is an attempt or a mistake: refused, with the annotation named.
func TestRefused(t *testing.T) {
	const pods, apps = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/app"
	huge := strings.Repeat("h", 64<<10)
	rows := []struct {
		name string
		in   Input
		says []string // what the message must name
	}{
		{"typo", inPod(notes{"io.strata.recrod": "web"}), []string{"io.strata.recrod", "io.strata.record,"}},
		{"typo in an option", inPod(notes{"io.strata.record": "", "io.strata.record.merged": "true"}), []string{"io.strata.record.merged"}},
		{"upper case", inPod(notes{"io.strata.Record": "web"}), []string{"io.strata.Record"}},
		{"upper case beside the right one", inPod(notes{"io.strata.record": "web", "IO.STRATA.RECORD": "other"}), []string{"IO.STRATA.RECORD"}},
		{"space behind the key", inPod(notes{"io.strata.record ": "web"}), []string{"io.strata.record "}},
		{"space before the key", inPod(notes{" io.strata.stack": "unconfined"}), []string{" io.strata.stack"}},
		{"newline in the key", inPod(notes{"io.strata.re\ncord": "web"}), []string{`io.strata.re\ncord`}},
		{"huge key", inPod(notes{"io.strata." + huge: "web"}), []string{"io.strata.h", "65546 bytes"}},
		{"no such key", inPod(notes{"io.strata/record": "web"}), []string{"io.strata/record"}},
		{"container named outside", inPod(notes{"io.strata.record/../app": "web"}), []string{"io.strata.record/../app"}},
		{"container not named", inPod(notes{"io.strata.record/": "web"}), []string{"io.strata.record/"}},
		{"policy's own key of Kubernetes", inPod(notes{"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "*"}), []string{"allowedProfileNames"}},
		{"older key with a typo", inPod(notes{"security.alpha.kubernetes.io/seccomp/pods": "unconfined"}), []string{"security.alpha.kubernetes.io/seccomp/pods"}},
		{"trace with a typo", inPodman(notes{"io.containers.trace-syscalls": "of:/tmp/o"}), []string{"io.containers.trace-syscalls"}},

		{"path", inPod(notes{"io.strata.record": "/etc/passwd"}), []string{"io.strata.record", "/etc/passwd"}},
		{"path of podman", inPodman(notes{"io.strata.record": "/etc/passwd"}), []string{"io.strata.record"}},
		{"escape", inPod(notes{"io.strata.record": "../../etc/cron.d/x"}), []string{"../../etc/cron.d/x"}},
		{"dots", inPod(notes{"io.strata.record": ".."}), []string{"io.strata.record"}},
		{"hidden", inPod(notes{"io.strata.record": ".web"}), []string{"io.strata.record"}},
		{"option-like", inPod(notes{"io.strata.record": "-rf"}), []string{"io.strata.record"}},
		{"slash", inPod(notes{"io.strata.record": "other/web"}), []string{"io.strata.record"}},
		{"huge name", inPod(notes{"io.strata.record": huge}), []string{"65536 bytes", "4096"}},
		{"long name", inPodman(notes{"io.strata.record": huge[:201]}), []string{"201 bytes", "200"}},
		{"newline", inPod(notes{"io.strata.record": "web\nlevel=info msg=granted"}), []string{`web\nlevel`}},
		{"NUL", inPod(notes{"io.strata.record": "web\x00.json"}), []string{`web\x00`}},
		{"escape sequence", inPod(notes{"io.strata.record": "\x1b]0;owned\a"}), []string{`\x1b`}},
		{"not UTF-8", inPod(notes{"io.strata.record": "w\xff\xfeb"}), []string{`w\xff\xfeb`}},
		{"look-alike", inPod(notes{"io.strata.record": "wеb"}), []string{`w\u0435b`}},
		{"right to left", inPod(notes{"io.strata.record": "\u202egnp.web"}), []string{`\u202e`}},
		{"false", inPod(notes{"io.strata.record": "false"}), []string{"remove"}},
		{"suffix", inPodman(notes{"io.strata.record": "web.json"}), []string{".json"}},
		{"no name", inPodman(notes{"io.strata.record": ""}), []string{"name the recording"}},
		{"true is no name", inPodman(notes{"io.strata.record": "true"}), []string{"name the recording"}},
		{"seccomp other", inPodman(notes{"io.strata.record": "web", "io.strata.record.seccomp": "none"}), []string{"io.strata.record.seccomp", "keep"}},
		{"merge other", inPodman(notes{"io.strata.record": "web", "io.strata.record.merge": "yes"}), []string{"io.strata.record.merge", "true"}},
		{"denied empty", inPodman(notes{"io.strata.record": "web", "io.strata.record.denied": ""}), []string{"io.strata.record.denied"}},
		{"option alone", inPodman(notes{"io.strata.record.seccomp": "unconfined"}), []string{"io.strata.record.seccomp", "io.strata.record=NAME"}},
		{"option beside trace", inPodman(notes{"io.containers.trace-syscall": "of:/tmp/o", "io.strata.record.merge": "true"}), []string{"io.strata.record.merge"}},
		{"denied of nothing", inPodman(notes{"io.strata.record": "web", "io.strata.record.seccomp": "unconfined", "io.strata.record.denied": "true"}), []string{"io.strata.record.denied", "io.strata.record.seccomp"}},
		{"two recordings", inPodman(notes{"io.strata.record": "web", "io.containers.trace-syscall": "of:/tmp/o"}), []string{"io.strata.record=", "io.containers.trace-syscall="}},

		{"trace in a pod", inPod(notes{"io.containers.trace-syscall": "of:/etc/cron.d/x"}), []string{"io.containers.trace-syscall", "io.strata.record"}},
		{"trace of this container", inPod(notes{"io.containers.trace-syscall/app": "of:/etc/cron.d/x"}), []string{"io.containers.trace-syscall/app"}},
		{"trace relative", inPodman(notes{"io.containers.trace-syscall": "of:out.json"}), []string{"out.json"}},
		{"trace detour", inPodman(notes{"io.containers.trace-syscall": "of:/tmp/../etc/x"}), []string{"/etc/x"}},
		{"trace empty", inPodman(notes{"io.containers.trace-syscall": ""}), []string{"of:/OUTPUT"}},
		{"trace without output", inPodman(notes{"io.containers.trace-syscall": "if:/tmp/in.json"}), []string{"of:/OUTPUT"}},
		{"trace of two", inPodman(notes{"io.containers.trace-syscall": "of:/a;of:/b"}), []string{"twice"}},
		{"trace of another kind", inPodman(notes{"io.containers.trace-syscall": "of:/a;xf:/b"}), []string{"of:/OUTPUT"}},
		{"trace with a tail", inPodman(notes{"io.containers.trace-syscall": "of:/a;"}), []string{"of:/OUTPUT"}},
		{"trace with NUL", inPodman(notes{"io.containers.trace-syscall": "of:/a\x00b"}), []string{"control"}},
		{"trace with a newline", inPodman(notes{"io.containers.trace-syscall": "of:/a\nb"}), []string{"control"}},

		{"stack empty", inPod(notes{"io.strata.stack": ""}), []string{"io.strata.stack"}},
		{"stack of commas", inPod(notes{"io.strata.stack": ",,"}), []string{"io.strata.stack"}},
		{"stack with a hole", inPod(notes{"io.strata.stack": "base,,web"}), []string{"io.strata.stack"}},
		{"stack of a path", inPod(notes{"io.strata.stack": "/proc/self/environ"}), []string{"paths"}},
		{"stack escape", inPod(notes{"io.strata.stack": "localhost/../../../etc/shadow"}), []string{"io.strata.stack"}},
		{"stack of a hidden directory", inPod(notes{"io.strata.stack": "team/.git/web"}), []string{"io.strata.stack"}},
		{"stack relative path", inPodman(notes{"io.strata.stack": "./web.json"}), []string{"io.strata.stack"}},
		{"stack path detour", inPodman(notes{"io.strata.stack": "/srv/../etc/web"}), []string{"/etc/web"}},
		{"stack device by detour", inPodman(notes{"io.strata.stack": "//dev/zero"}), []string{"/dev/zero"}},
		{"stack twice", inPod(notes{"io.strata.stack": "base,web,base"}), []string{"twice"}},
		{"stack twice by another name", inPod(notes{"io.strata.stack": "runtime/default,docker/default"}), []string{"twice"}},
		{"stack too high", inPod(notes{"io.strata.stack": "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"}), []string{"16 layers"}},
		{"stack weakened", inPod(notes{"io.strata.stack": "base,unconfined"}), []string{"unconfined"}},
		{"stack of control characters", inPod(notes{"io.strata.stack": "base\t,web"}), []string{`base\t`}},

		{"kubernetes plain name", inPod(notes{pods: "web"}), []string{pods, "localhost/NAME"}},
		{"kubernetes empty", inPod(notes{pods: ""}), []string{pods}},
		{"kubernetes list", inPod(notes{pods: "localhost/a,localhost/b"}), []string{pods}},
		{"kubernetes path", inPodman(notes{pods: "/etc/web.json"}), []string{pods}},
		{"kubernetes escape", inPod(notes{pods: "localhost/../../etc/shadow"}), []string{pods}},
		{"kubernetes absolute", inPod(notes{apps: "localhost//etc/shadow"}), []string{apps}},
		{"kubernetes hidden", inPod(notes{apps: "localhost/.web"}), []string{apps}},
		{"kubernetes upper case", inPod(notes{apps: "Unconfined"}), []string{apps}},
		{"old and new disagree", inPod(notes{pods: "runtime/default", "security.alpha.kubernetes.io/seccomp/pod": "unconfined"}),
			[]string{pods + `="runtime/default"`, `security.alpha.kubernetes.io/seccomp/pod="unconfined"`, "disagree"}},
		{"old and new of the container disagree", inPod(notes{apps: "unconfined", "security.alpha.kubernetes.io/seccomp/container/app": "runtime/default"}),
			[]string{apps + `="unconfined"`, `security.alpha.kubernetes.io/seccomp/container/app="runtime/default"`}},
		{"stack and kubernetes disagree", inPod(notes{"io.strata.stack": "base,web", pods: "unconfined"}),
			[]string{`io.strata.stack="base,web"`, pods + `="unconfined"`}},
		{"stack and its container's kubernetes disagree", inPod(notes{"io.strata.stack/app": "web", apps: "localhost/web"}),
			[]string{"io.strata.stack/app", apps}},
		{"container unknown", inPodman(notes{apps: "runtime/default"}), []string{apps, "which container"}},
		{"container of a pod with another hostname", kubePlay(notes{apps: "runtime/default"}, Input{Hostname: "other", Image: Image{Container: "shop-app"}}), []string{"which container"}},
		{"container of an image that says the hostname", kubePlay(notes{apps: "runtime/default"}, Input{Hostname: "shop", Image: Image{Container: "shop-app", SetsHostname: true}}), []string{"which container"}},
		{"container of no pod", Input{Annotations: with(libpod, notes{apps: "runtime/default"}), Trust: Trusted, Hostname: "shop", Image: Image{Container: "shop-app"}}, []string{"which container"}},

		{"another namespace", inPod(notes{"io.kubernetes.cri.sandbox-namespace": "kube-system", "io.strata.record": ""}),
			[]string{`io.kubernetes.pod.namespace="shop"`, `io.kubernetes.cri.sandbox-namespace="kube-system"`, "forged"}},
		{"a namespace with an escape", inPod(notes{"io.kubernetes.pod.namespace": "../etc", "io.strata.record": ""}), []string{"io.kubernetes.pod.namespace"}},
		{"an empty namespace", inPod(notes{"io.kubernetes.pod.namespace": ""}), []string{"io.kubernetes.pod.namespace"}},
		{"a huge image", inPod(notes{"io.kubernetes.cri-o.ImageName": huge}), []string{"image"}},
		{"an image that writes to the terminal", inPod(notes{"io.kubernetes.cri-o.ImageName": "web\x1b[2J"}), []string{"image", `\x1b`}},
		{"an image of two lines", inPod(notes{"io.kubernetes.cri-o.ImageName": "web\nlevel=info"}), []string{"image"}},
		{"podman's hook file in cri-o", Input{Annotations: with(pod, notes{"io.strata.stack": "/srv/web"}), Trust: Trusted}, []string{"io.container.manager", "hooks_dir"}},
		{"too many", inPod(notes{"padding": strings.Repeat("p", 5<<20)}), []string{"annotations", "4194304"}},

		{"from the image", Input{Annotations: with(libpod, notes{"io.strata.stack": "unconfined"}), Trust: Trusted,
			Image: Image{Name: "evil", Annotations: map[string][]string{"io.strata.stack": {"unconfined"}}}}, []string{"io.strata.stack", "evil", "image"}},
		{"output from the image", Input{Annotations: with(libpod, notes{"io.containers.trace-syscall": "of:/etc/cron.d/x"}), Trust: Trusted,
			Image: Image{Name: "evil", Annotations: map[string][]string{"io.containers.trace-syscall": {"of:/etc/cron.d/x"}}}}, []string{"image"}},
	}
	for _, row := range rows {
		r, err := Parse(row.in)
		if err == nil {
			t.Errorf("%s: accepted as %+v", row.name, r)
			continue
		}
		for _, want := range row.says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", row.name, err, want)
			}
		}
		checkMessage(t, err)
	}
}

func checkMessage(t *testing.T, err error) {
	t.Helper()
	if len(err.Error()) > 1500 || strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' || c == 0x7f }) {
		t.Errorf("unfit for a log: %.2000q", err)
	}
}

// What the user says goes before what the image says.
func TestImageOverridden(t *testing.T) {
	r, err := Parse(Input{
		Annotations: with(libpod, notes{"io.strata.stack": "web"}), Trust: Trusted,
		Image: Image{Name: "evil", Annotations: map[string][]string{"io.strata.stack": {"unconfined"}, "io.strata.recrod": {"unused"}}},
	})
	if err != nil || !reflect.DeepEqual(r.Stack.Layers, []reference.Reference{ref(reference.Named, "web")}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestKeysAreRecognised(t *testing.T) {
	if len(Keys()) != 2*len(spellings) {
		t.Errorf("Keys() = %q", Keys())
	}
	for _, k := range Keys() {
		if a, err := recognise(k, "value"); err != nil || a.key == 0 {
			t.Errorf("%s is listed and not recognised: %v", k, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("io.strata.record", "web", "io.strata.stack", "base,web", true)
	f.Add("io.strata.record/app", "", "io.strata.record.merge", "true", false)
	f.Add("io.containers.trace-syscall", "of:/tmp/o;if:/tmp/i", "io.strata.stack", "/srv/web", true)
	f.Add("seccomp.security.alpha.kubernetes.io/pod", "localhost/a/b", "container.seccomp.security.alpha.kubernetes.io/app", "unconfined", false)
	f.Add("security.alpha.kubernetes.io/seccomp/pod", "docker/default", "security.alpha.kubernetes.io/seccomp/container/app", "\xff\n", false)
	f.Add("io.kubernetes.cri.sandbox-namespace", "kube-system", "io.strata.record", "", false)
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string, podman bool) {
		more := notes{key1: value1, key2: value2}
		in := inPod(more)
		if podman {
			in = inPodman(more)
		}
		r, err := Parse(in)
		if err != nil {
			checkMessage(t, err)
			return
		}
		if rec := r.Record; rec != nil {
			if (rec.Name == "") == (rec.Output == "") || rec.Unconfined && rec.Denied {
				t.Errorf("%+v", rec)
			}
			if rec.Name != "" && reference.CheckName(rec.Name) != nil {
				t.Errorf("name %q", rec.Name)
			}
			if in.Trust == Untrusted && (rec.Output != "" || rec.Input != "" || !strings.HasPrefix(rec.Name, r.Identity.Namespace+"_")) {
				t.Errorf("an untrusted request got %+v", rec)
			}
		}
		if r.Stack == nil {
			return
		}
		if len(r.Stack.Layers) == 0 {
			t.Error("a stack of nothing")
		}
		for _, layer := range r.Stack.Layers {
			if in.Trust == Untrusted && layer.Kind == reference.Path {
				t.Errorf("an untrusted request got the path %v", layer)
			}
			if again, err := reference.ParseTrusted(layer.String()); err != nil || again != layer {
				t.Errorf("layer %v: %v, %v", layer, again, err)
			}
		}
	})
}
