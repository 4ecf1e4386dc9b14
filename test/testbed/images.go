package testbed

import "strata/test/programs"

// Images that several packages use. They need programs.Build.
var (
	// Calls runs /calls with the words of its script. Files that others make for it go to /signal.
	Calls = &Image{Name: "calls", Programs: map[string]string{"/calls": programs.Calls}, Dirs: []string{"/signal"}}

	// Shell has busybox's applets.
	Shell = &Image{
		Name:     "shell",
		Programs: map[string]string{"/bin/busybox": "/bin/busybox"},
		Links:    links("/bin/", "busybox", "sh", "cat", "sort", "uniq", "seq", "head", "wc", "grep", "sed", "tr", "sleep", "ls", "touch", "id", "awk", "true"),
	}
)

func links(dir, to string, names ...string) map[string]string {
	links := map[string]string{}
	for _, name := range names {
		links[dir+name] = to
	}
	return links
}
