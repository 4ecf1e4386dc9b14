package main

import (
	"cmp"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strata/internal/describe"
	"strata/internal/enforce"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// These functions say what a shell may complete. A failure completes nothing: there is nobody to tell.

type directive = cobra.ShellCompDirective

// completeFlags names what the values of flags can be, for those flags that a command has.
func completeFlags(cmd *cobra.Command, in *input) {
	words := func(words ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	abis := words(abiNames(syscalls.ABIs())...)
	formats := words("oci", "docker", "spo")
	if cmd.Name() == "compile" {
		formats = words("bpf", "pfc")
	}
	for name, complete := range map[string]cobra.CompletionFunc{
		"abi": abis, "arch": abis, "overlap": words("refuse", "strictest", "first"), "format": formats, "to": formats,
		"cap": words(append([]string{"none", "all"}, profile.Capabilities()...)...), "kernel": words(),
		"within": in.completeProfile, "ceiling": in.completeProfile,
		"policy": directories, "profile-dir": directories, "seccomp-root": directories, "state": directories,
	} {
		if cmd.Flags().Lookup(name) == nil {
			continue
		}
		if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic(err) // the flag is there, and has been given nothing before
		}
	}
}

func directories(*cobra.Command, []string, string) ([]string, directive) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeProfiles is for commands whose arguments are up to so many profiles.
func (in *input) completeProfiles(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, directive) {
		if most != unlimited && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return in.completeProfile(cmd, args, word)
	}
}

// completeProfile lists names of profiles and files beside the person; where there are none of the kind, the shell
// completes paths.
func (in *input) completeProfile(_ *cobra.Command, _ []string, word string) ([]string, directive) {
	names := []string{profile.RuntimeDefault, profile.Unconfined}
	if in.prepare() == nil {
		for _, dir := range in.library.Dirs {
			names = append(names, profilesIn(dir, "")...)
		}
		names = append(names, profilesIn(in.library.SeccompRoot, "localhost/")...)
	}
	if files, err := filepath.Glob("*"); err == nil {
		names = append(names, slices.DeleteFunc(files, func(f string) bool { return !isDocument(f) })...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, word) })
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveDefault
}

func isDocument(name string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name))
}

// profilesIn lists the names by which the profiles of a directory are found.
func profilesIn(dir, prefix string) []string {
	var names []string
	found := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // what can not be read is not listed
		}
		name := prefix + path
		if prefix == "" {
			name = strings.TrimSuffix(strings.TrimSuffix(name, ".yaml"), ".json")
		}
		if _, err := reference.Parse(name); err == nil && isDocument(path) {
			names = append(names, name)
		}
		return nil
	}
	if err := fs.WalkDir(os.DirFS(dir), ".", found); err != nil {
		return nil
	}
	return names
}

// completeExplain completes a profile, a call, and its arguments with their values.
func (in *input) completeExplain(cmd *cobra.Command, args []string, word string) ([]string, directive) {
	if len(args) == 0 {
		return in.completeProfile(cmd, args, word)
	}
	abi, err := parseABI(cmp.Or(cmd.Flag("abi").Value.String(), in.arch))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if len(args) == 1 {
		return withPrefix(abi.Names(), word), cobra.ShellCompDirectiveNoFileComp
	}
	name, value, assigned := strings.Cut(word, "=")
	if !assigned {
		var names []string
		for _, argument := range describe.Arguments(args[1]) {
			names = append(names, argument+"=")
		}
		return withPrefix(names, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	index, known := describe.Argument(args[1], name)
	if !known {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var others ruleset.Args
	if call, err := parseCall(args[1], args[2:], abi.String()); err == nil {
		others = call.Args
	}
	before := value[:strings.LastIndexAny(value, ",|")+1]
	var values []string
	for _, v := range describe.Values(args[1], index, others) {
		values = append(values, name+"="+before+v)
	}
	return withPrefix(values, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func withPrefix(words []string, prefix string) []string {
	return slices.DeleteFunc(words, func(word string) bool { return !strings.HasPrefix(word, prefix) })
}

// completeContainer lists the containers that Strata gave a profile.
func completeContainer(cmd *cobra.Command, args []string, word string) ([]string, directive) {
	records, err := enforce.Records(cmd.Flag("state").Value.String())
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, r := range records {
		ids = append(ids, r.Container)
	}
	return withPrefix(ids, word), cobra.ShellCompDirectiveNoFileComp
}

// bashValues is added to what bash reads. Bash takes the = of flags=NEWUSER for the end of a word, so what is before it
// must not be completed again.
const bashValues = `
__strata_values() {
    __start_strata "$@"
    local typed=${COMP_LINE:0:COMP_POINT}
    typed=${typed##* }
    if [[ $typed == [a-z0-9]*=* && $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${typed%%=*}="}")
    fi
}
if [[ $(type -t compopt) = "builtin" ]]; then
    complete -o default -F __strata_values strata
else
    complete -o default -o nospace -F __strata_values strata
fi
`

// completeValues makes the script for bash complete values of arguments.
func completeValues(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	bash, _, err := root.Find([]string{"completion", "bash"})
	if err != nil {
		panic(err) // the command was made one line above
	}
	run := bash.RunE
	bash.RunE = func(cmd *cobra.Command, args []string) error {
		if err := run(cmd, args); err != nil {
			return err
		}
		_, err := io.WriteString(cmd.OutOrStdout(), bashValues)
		return err
	}
}
