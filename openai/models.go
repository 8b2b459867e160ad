package openai

// Models is the backend's list of models.
type Models struct{}

// ParseModels reads the answer of the backend's /models.
func ParseModels(body []byte) (*Models, error) { return nil, nil }

// List returns the body of GET /v1/models, for OpenAI's SDKs and for the official
// command line alike.
func (m *Models) List() []byte { return nil }

// One returns the body of GET /v1/models/ID, and nil if there is no such model.
func (m *Models) One(id string) []byte { return nil }
