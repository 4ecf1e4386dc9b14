package profile

import (
	"cmp"
)

// apiGroup is the operator's API, without its version.
const apiGroup = "security-profiles-operator.x-k8s.io/"

// apiKind is the kind of object that is a profile.
const apiKind = "SeccompProfile"

// versions are the versions of the API that are read and written; the first is written for documents that were no objects.
var versions = []string{"v1", "v1beta1"}

// states of spec.state, with what each says about being disabled.
var states = map[string]bool{"": false, "Enabled": false, "Disabled": true}

// kubernetes reads an object of the operator's API (api/seccompprofile of the operator's source).
func (r *reader) kubernetes(root *node) {
	o := &Object{}
	r.profile.Object = o
	r.object(root, "the object", fields{
		"apiVersion": func(n *node) {
			r.word(n, "apiVersion", func(s string) bool {
				for _, v := range versions {
					if s == apiGroup+v {
						o.Version = v
					}
				}
				return o.Version != ""
			})
		},
		"kind":     func(n *node) { r.word(n, "kind", func(s string) bool { return s == apiKind }) },
		"metadata": r.metadata,
		"spec":     ignore, // read below, when the version is known
		"status":   ignore,
	}, "apiVersion", "kind", "metadata", "spec")
	spec, ok := root.get("spec")
	if !ok || spec.kind == null {
		return
	}
	also := fields{"state": func(n *node) {
		s, _ := r.word(n, "state", func(s string) bool { _, known := states[s]; return known })
		o.Disabled = states[s]
	}}
	if o.Version == "v1beta1" {
		// What state was before operator 0.10.
		also["disabled"] = func(n *node) { o.Disabled = r.boolean(n, "disabled") }
	}
	r.body(spec, "spec", also, nil)
}

// metadata reads what is the document's, and skips what a cluster adds.
func (r *reader) metadata(n *node) {
	o := r.profile.Object
	r.object(n, "metadata", fields{
		"name":        func(n *node) { o.Name = r.string(n, "name") },
		"namespace":   func(n *node) { o.Namespace = r.string(n, "namespace") },
		"labels":      func(n *node) { o.Labels = r.strings(n, "labels") },
		"annotations": func(n *node) { o.Annotations = r.strings(n, "annotations") },

		"creationTimestamp": ignore, "deletionGracePeriodSeconds": ignore, "deletionTimestamp": ignore, "finalizers": ignore,
		"generation": ignore, "managedFields": ignore, "ownerReferences": ignore, "resourceVersion": ignore, "selfLink": ignore, "uid": ignore,
	}, "name")
}

// strings reads an object whose values are texts.
func (r *reader) strings(n *node, what string) map[string]string {
	if n.kind != object {
		r.fail(n, "%s is %s, not an object", what, n.kind)
		return nil
	}
	var m map[string]string
	for i := range n.keys {
		k := &n.keys[i]
		if k.value.kind != text {
			r.fail(&k.value, "%s: %s is %s, not a string", what, clip(k.name), k.value.kind)
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[k.name] = k.value.text
	}
	return m
}

// objectFor is the object under which a profile is written.
func (p *Profile) objectFor() Object {
	if p.Object != nil {
		o := *p.Object
		o.Version = cmp.Or(o.Version, versions[0])
		return o
	}
	return Object{Version: versions[0], Name: objectName(p.Name)}
}
