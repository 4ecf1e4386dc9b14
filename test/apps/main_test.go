package apps

import (
	"testing"

	"strata/test/installation"
	"strata/test/programs"
	"strata/test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m, installation.Install, programs.Build) }

// An app is a program that people run in containers.
type app struct {
	name     string                // of its profile below app/
	packages []string              // that its programs are from, or patterns of their names
	work     func(*testing.T, run) // does all that the profile is for, from the start of containers to their end
}

var apps = []app{nginx, redis, postgres, goHTTP, shell}

// under are flags for containers that run under an app's profile.
func (a app) under(runtime string) []string {
	return []string{"--annotation", "io.strata.stack=base/" + runtime + ":app/" + a.name}
}

func TestAppsRunUnderTheirProfiles(t *testing.T) {
	for _, a := range apps {
		for _, runtime := range testbed.Runtimes {
			t.Run(a.name+" "+runtime, func(t *testing.T) {
				t.Parallel()
				a.work(t, run{
					Podman: testbed.Podman{Runtime: runtime},
					flags:  a.under(runtime),
					layers: []string{"base/" + runtime, "app/" + a.name},
				})
			})
		}
	}
}
