package profile

import (
	"pgregory.net/rapid"

	"strata/internal/syscalls"
)

// documents draws documents that Parse could have returned and that the format can say.
func documents(f Format) *rapid.Generator[*Profile] {
	return rapid.Custom(func(t *rapid.T) *Profile {
		p := &Profile{Name: "drawn"}
		p.Base = rapid.SampledFrom([]string{"", "runtime/default", "web", "oci://example.org/base:v1"}).Draw(t, "base")
		p.Default = rapid.SampledFrom([]Action{KillProcess, KillThread, Trap, Fail, Trace, Log, Allow}).Draw(t, "default")
		if f != SPO {
			p.Errno = errnos(f, p.Default).Draw(t, "default errno")
		}
		p.Arches = rapid.SliceOfN(archNames(f), 0, 4).Draw(t, "architectures")
		if f == Docker && rapid.Bool().Draw(t, "archMap instead") {
			p.Arches = nil
			seen := map[Arch]bool{}
			for _, m := range rapid.SliceOfN(archNames(OCI), 1, 3).Draw(t, "archMap") {
				if !seen[m] {
					p.ArchMap = append(p.ArchMap, ArchMap{Arch: m, Sub: rapid.SliceOfN(archNames(OCI), 0, 2).Draw(t, "sub")})
				}
				seen[m] = true
			}
		}
		p.Flags = rapid.SliceOfN(rapid.SampledFrom(flags), 0, 4).Draw(t, "flags")
		if rapid.Bool().Draw(t, "listener") {
			p.ListenerPath = listenerDir + "agent.sock"
			p.ListenerMetadata = rapid.StringMatching(`[ -~äß]{0,20}`).Draw(t, "metadata")
		}
		p.Rules = rapid.SliceOfN(rules(f), 0, 5).Draw(t, "rules")
		if f == SPO {
			p.Object = &Object{
				Version:   rapid.SampledFrom(versions).Draw(t, "version"),
				Name:      "drawn",
				Namespace: rapid.SampledFrom([]string{"", "default"}).Draw(t, "namespace"),
				Disabled:  rapid.Bool().Draw(t, "disabled"),
			}
			if labels := rapid.MapOfN(rapid.OneOf(rapid.StringMatching(`[a-z./]{1,10}`), rapid.Just("<<")), yamlTraps(), 0, 3).Draw(t, "labels"); len(labels) > 0 {
				p.Object.Labels = labels
			}
		}
		if len(p.Rules) == 0 {
			p.Rules = nil
		}
		p.normalise()
		return p
	})
}

// yamlTraps are texts, among them such that are something else in YAML.
func yamlTraps() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"<<", "\t\n", "true", "1", "null", "a: b", "#", "2026-01-01", " "}))
}

func archNames(f Format) *rapid.Generator[Arch] {
	var names []Arch
	for _, a := range arches {
		if (a.arch != ArchNative || f != OCI) && (a.spo || f != SPO) {
			names = append(names, a.arch)
		}
	}
	return rapid.SampledFrom(names)
}

func errnos(f Format, a Action) *rapid.Generator[*Errno] {
	if !actions[a].numbers {
		return rapid.Just[*Errno](nil)
	}
	lowest := uint16(0)
	if f == SPO {
		lowest = 1
	}
	return rapid.OneOf(rapid.Just[*Errno](nil), rapid.Map(
		rapid.Uint16Range(lowest, uint16(actions[a].max)), func(n uint16) *Errno { e := Errno(n); return &e }))
}

func rules(f Format) *rapid.Generator[Rule] {
	calls := append([]string{"no_such_call", "s390_pci_mmio_read"}, syscalls.X86_64.Names()...)
	return rapid.Custom(func(t *rapid.T) Rule {
		var r Rule
		r.Names = rapid.SliceOfN(rapid.SampledFrom(calls), 1, 4).Draw(t, "names")
		r.Action = rapid.SampledFrom([]Action{KillProcess, KillThread, Trap, Fail, Trace, Log, Allow}).Draw(t, "action")
		r.Errno = errnos(f, r.Action).Draw(t, "errno")
		most := uint64(1<<64 - 1)
		if f == SPO {
			most = 1<<63 - 1
		}
		values := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(most-1, most), rapid.Uint64Range(0, most))
		r.Args = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Arg {
			return Arg{
				Index: rapid.Uint8Range(0, 5).Draw(t, "index"),
				Op:    rapid.SampledFrom(ops).Draw(t, "op"),
				Value: values.Draw(t, "value"),
				Two:   values.Draw(t, "valueTwo"),
			}
		}), 0, 3).Draw(t, "args")
		if len(r.Args) == 0 {
			r.Args = nil
		}
		if f == Docker {
			r.Comment = rapid.String().Draw(t, "comment")
			r.Includes = filters().Draw(t, "includes")
			r.Excludes = filters().Draw(t, "excludes")
		}
		return r
	})
}

func filters() *rapid.Generator[Filter] {
	return rapid.Custom(func(t *rapid.T) Filter {
		return Filter{
			Caps:   rapid.SliceOfN(rapid.SampledFrom(capabilities), 0, 2).Draw(t, "caps"),
			Arches: rapid.SliceOfN(rapid.SampledFrom([]string{"amd64", "x86", "arm64", "s390x"}), 0, 2).Draw(t, "arches"),
			Kernel: rapid.SampledFrom([]Kernel{{}, {}, {Major: 4, Minor: 8}, {Major: 6}, {Major: 255, Minor: 255}}).Draw(t, "kernel"),
		}
	})
}
