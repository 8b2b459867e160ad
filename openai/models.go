package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Models is the backend's list of models: what there is, and what each takes.
type Models struct {
	list   []model
	bySlug map[string]*model
	body   []byte
}

// A model is what a request has to know of one.
type model struct {
	slug      string
	levels    bool     // it says which efforts it takes
	efforts   []string // from the lowest to the highest
	summary   bool     // takes reasoning.summary
	verbosity bool
	noImages  bool // it says what it reads, and images are not in it
	original  bool // takes detail:"original"
	priority  bool // has the service tier
	hidden    bool
	context   int64
}

// ParseModels reads the answer of the backend's /models.
func ParseModels(body []byte) (*Models, error) {
	top, err := readBody(body)
	if err != nil {
		return nil, fmt.Errorf("the backend's list of models: %w", err)
	}
	m := &Models{bySlug: map[string]*model{}}
	err = readList(top.get("models"), (&path{key: "models"}), func(_ int, raw json.RawMessage) error {
		if one, ok := readModel(raw); ok {
			m.list = append(m.list, one)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the backend's list of models: %w", err)
	}
	if len(m.list) == 0 {
		return nil, errors.New("the backend's list of models names none")
	}
	for i := range m.list {
		m.bySlug[m.list[i].slug] = &m.list[i]
	}
	m.body = m.listBody(top)
	return m, nil
}

// readModel takes what it understands: a field of another kind is as good as none.
func readModel(raw json.RawMessage) (m model, ok bool) {
	var wire struct {
		Slug, Visibility string
		Context          int64           `json:"context_window"`
		Levels           json.RawMessage `json:"supported_reasoning_levels"`
		Summary          bool            `json:"supports_reasoning_summary_parameter"`
		Verbosity        bool            `json:"support_verbosity"`
		Modalities       []string        `json:"input_modalities"`
		Original         bool            `json:"supports_image_detail_original"`
		Tiers            json.RawMessage `json:"service_tiers"`
		Speeds           json.RawMessage `json:"additional_speed_tiers"`
	}
	var typed *json.UnmarshalTypeError
	if err := json.Unmarshal(raw, &wire); err != nil && !errors.As(err, &typed) || wire.Slug == "" {
		return m, false
	}
	m = model{
		slug: wire.Slug, hidden: wire.Visibility != "" && wire.Visibility != "list", context: wire.Context,
		levels: isList(wire.Levels), efforts: words(wire.Levels, "effort"),
		summary: wire.Summary, verbosity: wire.Verbosity, original: wire.Original,
		noImages: wire.Modalities != nil && !slices.Contains(wire.Modalities, "image"),
		priority: slices.Contains(words(wire.Tiers, "id"), "priority") || slices.Contains(words(wire.Speeds, "id"), "fast"),
	}
	slices.SortStableFunc(m.efforts, func(a, b string) int { return rank(a) - rank(b) })
	return m, true
}

// words reads a list of words, or of objects that have the word as a member.
func words(list json.RawMessage, member string) (out []string) {
	if !isList(list) {
		return nil
	}
	readList(list, nil, func(_ int, raw json.RawMessage) error {
		if o, err := readObject(raw, nil); err == nil {
			raw = o.get(member)
		}
		if word, err := readText(raw, nil); err == nil && word != "" {
			out = append(out, word)
		}
		return nil
	})
	return out
}

// listBody adds to the backend's list what an SDK reads. Of what the backend said
// every byte stays.
func (m *Models) listBody(top object) []byte {
	body := []byte{'{'}
	for _, e := range top {
		if e.key != "object" && e.key != "data" {
			body = append(append(append(append(body, quote(e.key)...), ':'), e.raw...), ',')
		}
	}
	body = append(body, `"object":"list","data":[`...)
	for i, n := 0, 0; i < len(m.list); i++ {
		if m.list[i].hidden {
			continue
		}
		if n++; n > 1 {
			body = append(body, ',')
		}
		body = append(body, m.list[i].body()...)
	}
	return append(body, "]}"...)
}

func (m *model) body() []byte {
	body, err := json.Marshal(struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int    `json:"created"` // not known, and clients want a number
		OwnedBy string `json:"owned_by"`
		Context int64  `json:"context_window,omitempty"`
	}{m.slug, "model", 0, "openai", m.context})
	if err != nil { // strings and numbers: it can't be
		return []byte("{}")
	}
	return body
}

// List returns the body of GET /v1/models, for OpenAI's SDKs and for the official
// command line alike.
func (m *Models) List() []byte { return m.body }

// One returns the body of GET /v1/models/ID, or an *Error if there is no such model.
func (m *Models) One(id string) ([]byte, error) {
	if one := m.get(strings.TrimPrefix(id, "openai/")); one != nil {
		return one.body(), nil
	}
	return nil, m.unknown(id)
}

func (m *Models) get(slug string) *model {
	if m == nil {
		return nil
	}
	return m.bySlug[slug]
}

// unknown says that there is no such model, and which there are.
func (m *Models) unknown(id string) *Error {
	message := "There is no model of this name for this login."
	if id != "" {
		message = fmt.Sprintf("The model '%s' does not exist, or this login may not use it.", nameOf(id))
	}
	var slugs []string
	if m != nil {
		for _, one := range m.list {
			if !one.hidden {
				slugs = append(slugs, one.slug)
			}
		}
		message += " There are: " + strings.Join(slugs, ", ") + "."
	}
	return &Error{Status: http.StatusNotFound, Type: invalidRequest, Param: "model", Code: "model_not_found", Message: message, NoRetry: true}
}
