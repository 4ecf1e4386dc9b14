package podman

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"strata/internal/request"
)

var (
	layer   = strings.Repeat("1a", 32)
	volatil = strings.Repeat("2b", 32)
	bare    = strings.Repeat("3c", 32)
	stray   = strings.Repeat("4d", 32)
	image   = strings.Repeat("5e", 32)
	shared  = strings.Repeat("6f", 32)
	missing = strings.Repeat("70", 32)
	hollow  = strings.Repeat("81", 32)
)

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// storage makes what Podman 4.3 keeps of some containers and their images.
func storage(t *testing.T, driver string) string {
	t.Helper()
	top := t.TempDir()
	root := filepath.Join(top, "storage")
	entry := func(layer, image, metadata string) string {
		return `{"id":"x","names":["shop-web"],"layer":"` + layer + `","image":"` + image + `","metadata":"` + metadata + `"}`
	}
	write(t, "["+strings.Join([]string{
		entry(layer, image, `{\"image-name\":\"localhost/web:1\",\"name\":\"w\"}`),
		entry(bare, "", "{}"),
		entry(missing, missing, "{}"),
		entry(hollow, hollow, "{}"),
	}, ",")+"]", root, driver+"-containers/containers.json")
	write(t, "["+entry(volatil, shared, "")+"]", root, driver+"-containers/volatile-containers.json")
	write(t, `{"annotations":{"a":"1","b":"2"}}`, root, driver+"-images", image, "manifest")
	write(t, `{"annotations":{"a":"one"}}`, root, driver+"-images", image,
		"="+base64.StdEncoding.EncodeToString([]byte("manifest-sha256:25aa")))
	write(t, "not a manifest", root, driver+"-images", image, "="+base64.StdEncoding.EncodeToString([]byte("sha256:25aa")))
	write(t, `{"config":{"Env":["PATH=/bin"]}}`, root, driver+"-images", image, encode("sha256:"+image))
	write(t, `{"config":{"Env":["PATH=/bin","HOSTNAME=shop"]}}`, top, "additional", driver+"-images", shared, encode("sha256:"+shared))
	write(t, "not a manifest", root, driver+"-images", hollow, "signature")
	write(t, `{"schemaVersion":2}`, top, "additional", driver+"-images", shared, "manifest")
	conf := filepath.Join(top, "storage.conf")
	write(t, "[storage]\ndriver = \"overlay\"\n[storage.options]\nadditionalimagestores = [ \""+filepath.Join(top, "additional")+"\" ]\n", conf)
	saved := storageConf
	t.Cleanup(func() { storageConf = saved })
	storageConf = []string{filepath.Join(top, "nothing"), conf}
	return root
}

func TestImage(t *testing.T) {
	root := storage(t, "overlay")
	for _, c := range []struct {
		rootfs string
		want   request.Image
		fails  string
	}{
		{root + "/overlay/" + layer + "/merged", request.Image{Name: "localhost/web:1", Container: "shop-web", Annotations: map[string][]string{"a": {"one", "1"}, "b": {"2"}}}, ""},
		{root + "/overlay/" + volatil + "/merged", request.Image{Name: shared, Container: "shop-web", SetsHostname: true, Annotations: map[string][]string{}}, ""},
		{root + "/overlay/" + bare + "/merged", request.Image{}, ""},
		{root + "/overlay/" + stray + "/merged", request.Image{}, "no container of layer"},
		{root + "/overlay/" + missing + "/merged", request.Image{}, "none of the image stores"},
		{root + "/overlay/" + hollow + "/merged", request.Image{}, "no manifest"},
		{"/srv/rootfs", request.Image{}, ""},
		{"/srv/" + layer + "/rootfs", request.Image{}, ""},
		{"rootfs", request.Image{}, ""},
		{"", request.Image{}, ""},
	} {
		got, err := Image(c.rootfs)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want an error with %q", c.rootfs, err, c.fails)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.rootfs, got, err, c.want)
		}
	}
}

func TestImageOfOtherDrivers(t *testing.T) {
	for driver, dir := range map[string]string{"vfs": "dir", "btrfs": "subvolumes"} {
		root := storage(t, driver)
		if got, err := Image(filepath.Join(root, driver, dir, layer)); err != nil || got.Name != "localhost/web:1" {
			t.Errorf("%s: %+v, %v", driver, got, err)
		}
	}
}

func TestImageOfBrokenStorage(t *testing.T) {
	root := storage(t, "overlay")
	for _, c := range []struct{ file, text, fails string }{
		{"overlay-images/" + image + "/" + encode("sha256:"+image), "{", "configuration"},
		{"overlay-images/" + image + "/manifest", "{", "manifest"},
		{"overlay-containers/containers.json", "[", "containers.json"},
	} {
		write(t, c.text, root, c.file)
		if _, err := Image(root + "/overlay/" + layer + "/merged"); err == nil || !strings.Contains(err.Error(), c.fails) {
			t.Errorf("broken %s: %v", c.file, err)
		}
	}
}
