package keyringtest

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// Behaviour is what a Fake does.
type Behaviour struct {
	Locked bool // at first
	// Answer is what a person does with the question for the password: "unlock",
	// "decline", or "" for nothing at all.
	Answer string
	After  time.Duration // how long they take
	// Denied is the name of a D-Bus error with which items are kept from everybody.
	Denied string
	Empty  bool // there is no collection
	// Silent: a question is shown, and the one who asked for that gets no answer.
	Silent bool
	// Forgets: what is stored is not there afterwards.
	Forgets bool
}

// Fake is a Secret Service as a test wants it, with one collection.
type Fake struct {
	conn *dbus.Conn

	mu        sync.Mutex
	does      Behaviour
	items     map[dbus.ObjectPath]fakeItem
	prompts   int
	dismissed int
	reads     int
	first     map[dbus.Sender]string // what each caller asked for first
}

type fakeItem struct {
	attributes map[string]string
	secret     []byte
}

// fakeSecret is the struct Secret of the API.
type fakeSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

const (
	promptPath  = path + "/prompt/p1"
	sessionPath = path + "/session/s1"
	itemPath    = loginPath + "/1"
)

// Fake puts a Secret Service on the session's bus.
func (s *Session) Fake(t testing.TB, does Behaviour) *Fake {
	t.Helper()
	f := &Fake{conn: s.Connect(t), does: does, items: map[dbus.ObjectPath]fakeItem{}, first: map[dbus.Sender]string{}}
	for _, e := range []struct {
		methods map[string]any
		path    dbus.ObjectPath
		iface   string
	}{
		{map[string]any{"OpenSession": f.openSession, "Unlock": f.unlock, "ReadAlias": f.readAlias}, path, serviceIf},
		{map[string]any{"Get": f.property}, path, "org.freedesktop.DBus.Properties"},
		{map[string]any{"SearchItems": f.searchItems, "CreateItem": f.createItem}, loginPath, collection},
		{map[string]any{"GetSecret": f.getSecret}, itemPath, item},
		{map[string]any{"Prompt": f.prompt, "Dismiss": f.dismiss}, promptPath, prompt},
		{map[string]any{"Close": func() *dbus.Error { return nil }}, sessionPath, "org.freedesktop.Secret.Session"},
	} {
		if err := f.conn.ExportMethodTable(e.methods, e.path, e.iface); err != nil {
			t.Fatal(err)
		}
	}
	reply, err := f.conn.RequestName(Name, dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("the name was not given out: %v, %v", reply, err)
	}
	return f
}

// Questions says how often a person was asked, and how often the question was
// taken back.
func (f *Fake) Questions() (asked, dismissed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.prompts, f.dismissed
}

// Reads says how often a secret was read.
func (f *Fake) Reads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

// First are the methods with which callers began, sorted, one for each of them.
func (f *Fake) First() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Values(f.first))
}

// heard notes a call; the caller holds mu.
func (f *Fake) heard(from dbus.Sender, method string) {
	if _, known := f.first[from]; !known {
		f.first[from] = method
	}
}

func (f *Fake) openSession(from dbus.Sender, _ string, _ dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard(from, "OpenSession")
	return dbus.MakeVariant(""), sessionPath, nil
}

func (f *Fake) property(from dbus.Sender, _, name string) (dbus.Variant, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard(from, "Get")
	switch {
	case name == "Collections" && f.does.Empty:
		return dbus.MakeVariant([]dbus.ObjectPath{}), nil
	case name == "Collections":
		return dbus.MakeVariant([]dbus.ObjectPath{loginPath}), nil
	}
	return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", nil)
}

func (f *Fake) readAlias(from dbus.Sender, _ string) (dbus.ObjectPath, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard(from, "ReadAlias")
	return "/", nil
}

func (f *Fake) unlock(from dbus.Sender, paths []dbus.ObjectPath) (unlocked []dbus.ObjectPath, p dbus.ObjectPath, _ *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard(from, "Unlock")
	if f.does.Locked {
		return []dbus.ObjectPath{}, promptPath, nil
	}
	return paths, "/", nil
}

func (f *Fake) prompt(string) *dbus.Error {
	f.mu.Lock()
	f.prompts++
	does := f.does
	f.mu.Unlock()
	if does.Answer != "" {
		time.AfterFunc(does.After, func() { f.complete(does.Answer == "decline") })
	}
	if does.Silent {
		<-f.conn.Context().Done()
	}
	return nil
}

func (f *Fake) complete(declined bool) {
	f.mu.Lock()
	f.does.Locked = f.does.Locked && declined
	f.mu.Unlock()
	// Something else on the same path first: only Completed counts.
	f.conn.Emit(promptPath, prompt+".Shown")
	f.conn.Emit(promptPath, prompt+".Completed", declined, dbus.MakeVariant([]dbus.ObjectPath{loginPath}))
}

func (f *Fake) dismiss() *dbus.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dismissed++
	return nil
}

func (f *Fake) denied() *dbus.Error {
	if f.does.Denied == "" {
		return nil
	}
	return dbus.NewError(f.does.Denied, []any{"not for you"})
}

func (f *Fake) searchItems(attributes map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := []dbus.ObjectPath{}
	for p, i := range f.items {
		if i.attributes["username"] == attributes["username"] {
			found = append(found, p)
		}
	}
	return found, f.denied()
}

func (f *Fake) createItem(properties map[string]dbus.Variant, secret fakeSecret, _ bool) (p, prompt dbus.ObjectPath, _ *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.denied(); err != nil {
		return "/", "/", err
	}
	if !f.does.Forgets {
		attributes, _ := properties[item+".Attributes"].Value().(map[string]string)
		f.items[itemPath] = fakeItem{attributes, secret.Value}
	}
	return itemPath, "/", nil
}

func (f *Fake) getSecret(session dbus.ObjectPath) (fakeSecret, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	return fakeSecret{Session: session, Value: f.items[itemPath].secret, ContentType: "text/plain"}, f.denied()
}
