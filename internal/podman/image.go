// Package podman reads in Podman's storage which image a container was made from
// and which annotations that image carries.
//
// Podman copies the annotations of an image's manifest to every container of the
// image, where nothing tells them from those of --annotation. So whoever builds an
// image could ask for things on behalf of whoever runs it: for a profile, for no
// profile, for a file to be written by root. Only the storage says which
// annotations are the image's.
//
// It must never know what annotations mean.
package podman

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"strata/internal/request"
	"strata/internal/safefile"
)

const (
	maxIndex    = 64 << 20 // containers.json: about 1 KiB for each container of the machine
	maxManifest = 8 << 20  // manifests: registries refuse more than 4 MiB
	maxConfig   = 1 << 20
)

// storageConf lists the files that name further image stores, the first one wins
// (containers-storage.conf(5)).
var storageConf = []string{"/etc/containers/storage.conf", "/usr/share/containers/storage.conf"}

// Image returns what the storage says about the image of the container whose root
// file system (root.path of its config.json) is given. A container without an image
// (podman run --rootfs) has the zero Image.
func Image(rootfs string) (request.Image, error) {
	store, layer, ok := locate(rootfs)
	if !ok {
		return request.Image{}, nil
	}
	c, err := store.container(layer)
	if err != nil {
		return request.Image{}, fmt.Errorf("image of %s: %w", rootfs, err)
	}
	if c.Image == "" {
		return request.Image{}, nil
	}
	image := request.Image{Name: c.imageName(), Container: c.name()}
	if err := store.read(c.Image, &image); err != nil {
		return request.Image{}, fmt.Errorf("image of %s: %w", rootfs, err)
	}
	return image, nil
}

// store is a graph root of containers/storage.
type store struct {
	root, driver string
}

// locate finds the storage that a root file system belongs to and its layer. Drivers
// keep it in ROOT/DRIVER/…/LAYER[/…]; the storage's index is in ROOT/DRIVER-containers.
func locate(rootfs string) (s store, layer string, ok bool) {
	parts := strings.Split(filepath.Clean(rootfs), "/")
	last := len(parts) - 1
	for last >= 0 && !isID(parts[last]) {
		last--
	}
	for i := last - 1; i > 0; i-- {
		s := store{root: "/" + filepath.Join(parts[:i]...), driver: parts[i]}
		if st, err := os.Stat(s.index("containers")); err == nil && st.IsDir() {
			return s, parts[last], true
		}
	}
	return store{}, "", false
}

func (s store) index(kind string) string { return filepath.Join(s.root, s.driver+"-"+kind) }

// isID accepts the identifiers that containers/storage makes: 32 bytes in hexadecimal.
func isID(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}

// container is an entry of containers.json.
type container struct {
	Layer    string   `json:"layer"`
	Image    string   `json:"image"`
	Names    []string `json:"names"`
	Metadata string   `json:"metadata"` // Podman's own, JSON
}

// name returns Podman's name of the container, or "".
func (c container) name() string {
	if len(c.Names) == 0 {
		return ""
	}
	return c.Names[0]
}

// imageName returns the name that the container was made by, else the image's digest.
func (c container) imageName() string {
	var metadata struct {
		ImageName string `json:"image-name"`
	}
	// The metadata is for people; a container of another tool has other metadata.
	if err := json.Unmarshal([]byte(c.Metadata), &metadata); err != nil || metadata.ImageName == "" {
		return c.Image
	}
	return metadata.ImageName
}

func (s store) container(layer string) (container, error) {
	for _, name := range []string{"containers.json", "volatile-containers.json"} {
		data, err := safefile.ReadPath(filepath.Join(s.index("containers"), name), maxIndex)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return container{}, err
		}
		var all []container
		if err := json.Unmarshal(data, &all); err != nil {
			return container{}, fmt.Errorf("%s: %w", filepath.Join(s.index("containers"), name), err)
		}
		for _, c := range all {
			if c.Layer == layer {
				return c, nil
			}
		}
	}
	return container{}, fmt.Errorf("%s knows no container of layer %s", s.index("containers"), layer)
}

// read reads what an image's author wrote.
func (s store) read(image string, into *request.Image) error {
	if !isID(image) {
		return fmt.Errorf("%.80q is no identifier of an image", image)
	}
	stores, err := s.imageStores()
	if err != nil {
		return err
	}
	for _, s := range stores {
		root, err := safefile.OpenRoot(filepath.Join(s.index("images"), image))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer root.Close()
		if into.Annotations, err = manifests(root); err != nil {
			return err
		}
		into.SetsHostname, err = setsHostname(root, image)
		return err
	}
	return fmt.Errorf("image %s is in none of the image stores", image)
}

// setsHostname reports whether the image's configuration has an environment variable
// HOSTNAME, which then is not Podman's.
func setsHostname(root *safefile.Root, image string) (bool, error) {
	data, err := root.Read(encode("sha256:"+image), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // nobody knows
	}
	if err != nil {
		return false, err
	}
	var configuration struct {
		Config struct{ Env []string } `json:"config"`
	}
	if err := json.Unmarshal(data, &configuration); err != nil {
		return false, fmt.Errorf("%s: configuration of the image: %w", root.Path(), err)
	}
	return slices.ContainsFunc(configuration.Config.Env, func(v string) bool { return strings.HasPrefix(v, "HOSTNAME=") }), nil
}

// encode is the name of the file for a name that containers/storage does not take for a file.
func encode(name string) string { return "=" + base64.StdEncoding.EncodeToString([]byte(name)) }

// manifests returns the annotations of all manifests of an image: which of them Podman
// chose for this machine is not written down.
func manifests(root *safefile.Root) (map[string][]string, error) {
	names, err := root.List(".")
	if err != nil {
		return nil, err
	}
	found, all := false, map[string][]string{}
	for _, name := range names {
		if !isManifest(name) {
			continue
		}
		data, err := root.Read(name, maxManifest)
		if err != nil {
			return nil, err
		}
		var manifest struct {
			Annotations map[string]string `json:"annotations"`
		}
		if err := json.Unmarshal(data, &manifest); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(root.Path(), name), err)
		}
		found = true
		for k, v := range manifest.Annotations {
			all[k] = append(all[k], v)
		}
	}
	if !found {
		return nil, fmt.Errorf("%s: no manifest", root.Path())
	}
	return all, nil
}

// isManifest reports whether a file of an image is a manifest: "manifest", or
// "manifest-DIGEST" in the encoding that containers/storage uses for such names.
func isManifest(file string) bool {
	if encoded, ok := strings.CutPrefix(file, "="); ok {
		name, err := base64.StdEncoding.DecodeString(encoded)
		return err == nil && strings.HasPrefix(string(name), "manifest-")
	}
	return file == "manifest"
}

// imageStores lists the stores that can hold the images of a store's containers.
func (s store) imageStores() ([]store, error) {
	stores := []store{s}
	for _, path := range storageConf {
		data, err := safefile.ReadPath(path, maxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var conf struct {
			Storage struct {
				ImageStore string
				Options    struct {
					AdditionalImageStores []string
				}
			}
		}
		if err := toml.Unmarshal(data, &conf); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, root := range append(conf.Storage.Options.AdditionalImageStores, conf.Storage.ImageStore) {
			if root != "" {
				stores = append(stores, store{root: root, driver: s.driver})
			}
		}
		break
	}
	return stores, nil
}
