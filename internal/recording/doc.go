// Package recording is one recording's life on disk: from the moment a container is tracked, through what must be kept
// while no process of Strata is alive, to a profile and its metadata.
//
// A recording that runs is one file below the state directory (running/ID.json). It is written before the container is
// tracked and removed last, so whatever moment a hook is killed at, somebody who comes later finds what is left to do.
// A recording that is finished is two files, NAME.json and NAME.recording.json, below the recordings directory or where
// root said. The metadata is written first and holds the digest of the profile that belongs to it, so a reader never
// takes one run's metadata for another's profile; the profile is made from the metadata, so writing both again changes
// nothing.
//
// The package knows files, locks and what a recording holds. It must never know hook stages, stdin, annotations or how
// the kernel counts: a Tracker does that.
package recording
