// Package testbed gives a test binary a machine of its own to run containers on: private mount, PID and network
// namespaces in which /run, the state of engines and of Strata and the BPF file system are empty and whatever is
// written to /etc, /usr and /var stays in memory, an engine configured there, images made without a registry, and OCI
// bundles for the runtimes themselves. What is started in it dies with the test binary, killed or not, and nothing of
// the host is touched.
//
// The peculiarities of machines that tests meet (limits that cannot be raised, cgroup versions mixed) belong here
// alone. It must never know what Strata does in a container, or what a test expects of it.
package testbed
