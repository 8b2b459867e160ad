package foreign

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codexauth"
	"codexauth/internal/codexcli"
)

// A Place is a file in which a login of another tool stands, or may have been left.
type Place struct {
	Title  string // of the tool, as people read it
	Tool   string // the name for `import --from`; "" if its logins can't be taken over
	Path   string
	Backup bool // no tool uses it: somebody's backup
}

// watched are files of tools that hold a login, too, which can't be taken over from
// there.
func watched() map[string][]string {
	all := map[string][]string{}
	add := func(title string, files []string, err error) {
		if err == nil {
			all[title] = append(all[title], files...)
		}
	}
	// cline/cline, sdk/packages/core/src/services/storage and
	// runtime/orchestration/oauth-refresh-lock.ts: its lock is a transaction of SQLite's.
	files, err := under("CLINE_DATA_DIR", []string{"settings", "providers.json"}, []string{".cline", "data"})
	add("Cline", files, err)
	files, err = under("CLINE_DATA_DIR", []string{"secrets.json"}, []string{".cline", "data"})
	add("Cline", files, err)
	// NousResearch/hermes-agent, hermes_cli/auth.py: the login stands there twice, once in a pool.
	files, err = under("HERMES_HOME", []string{"auth.json"}, []string{".hermes"})
	add("Hermes", files, err)
	return all
}

// Places lists the files on this machine in which tools keep logins, and what looks like
// a backup of one beside it. It opens none.
func Places() (all []Place) {
	for _, t := range Tools() {
		files, _ := t.files()
		all = append(all, around(Place{Title: t.Title, Tool: t.Name}, files)...)
	}
	if dir, err := inHome(".cli-proxy-api"); err == nil { // where no login may be left beside a backup
		all = append(all, beside(Place{Title: Named("cliproxyapi").Title, Backup: true}, dir[0], func(name string) bool { return strings.Contains(name, ".json.") })...)
	}
	for title, files := range watched() {
		all = append(all, around(Place{Title: title}, files)...)
	}
	slices.SortStableFunc(all, func(a, b Place) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(all, func(a, b Place) bool { return a.Path == b.Path })
}

// around lists the files that are there of a tool's, and their backups.
func around(p Place, files []string) (all []Place) {
	for _, path := range files {
		base := filepath.Base(path)
		stem := strings.TrimSuffix(base, filepath.Ext(base))
		for _, found := range beside(p, filepath.Dir(path), func(name string) bool {
			return strings.HasPrefix(strings.TrimPrefix(name, "."), stem) && !slices.Contains(files, filepath.Join(filepath.Dir(path), name)) || name == base
		}) {
			found.Backup = filepath.Base(found.Path) != base
			all = append(all, found)
		}
	}
	return all
}

func beside(p Place, dir string, is func(name string) bool) (all []Place) {
	entries, _ := os.ReadDir(dir) // what is not there holds nothing
	for _, e := range entries {
		if !e.IsDir() && is(e.Name()) && len(all) < maxFiles {
			p.Path = filepath.Join(dir, e.Name())
			all = append(all, p)
		}
	}
	return all
}

// shortest is how long a refresh token is at least, and longest at most.
const shortest, longest = 16, 1 << 13

// TokensIn lists whatever in the file at path may be a token, whoever wrote it and in
// whatever form: words without a character that no token has. A file that can't be read,
// or is larger than a file of logins, has none.
func TokensIn(path string) []codexauth.Secret {
	info, err := os.Stat(path) // a link is followed: the tool follows it, too
	if err != nil || !info.Mode().IsRegular() || info.Size() > codexcli.MaxAuth {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, codexcli.MaxAuth))
	if err != nil {
		return nil
	}
	return TokensOf(data)
}

// TokensOf lists whatever in data may be a token.
func TokensOf(data []byte) (all []codexauth.Secret) {
	for word := range strings.FieldsFuncSeq(string(data), notOfAToken) {
		if len(word) >= shortest && len(word) <= longest {
			all = append(all, codexauth.NewSecret(word))
		}
	}
	return all
}

func notOfAToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._~+/-", r)
}
