package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const (
	modelsPath = "/models"
	maxModels  = 4 << 20 // bytes of a list that is added to
)

// askForModels asks in a way that leaves the answer readable.
func askForModels(out *http.Request) {
	out.Header["Accept-Encoding"] = []string{"identity"}
	delete(out.Header, "Range")
}

// forEveryClient makes the backend's list of models one body for the official
// command line, which reads "models", and for OpenAI's SDKs, which read "data".
// Whatever is not the list that we know passes as it is.
func forEveryClient(resp *http.Response, method string) (*http.Response, error) {
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "" {
		return resp, nil
	}
	if method == http.MethodHead {
		resp.Header.Del("Content-Length") // of a body that nobody would get
		resp.ContentLength = -1
		return resp, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxModels+1))
	if err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: %w", errUpstream, err)
	}
	if len(body) > maxModels {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), resp.Body), resp.Body}
		return resp, nil
	}
	resp.Body.Close()
	body = withData(body)
	resp.Body, resp.ContentLength, resp.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return resp, nil
}

// withData adds to {"models":[{"slug":…}]} what an SDK reads, and leaves every
// byte of the backend's.
func withData(body []byte) []byte {
	var known struct {
		Models []struct {
			Slug string `json:"slug"`
		} `json:"models"`
		Object json.RawMessage `json:"object"`
		Data   json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &known) != nil || known.Models == nil || known.Object != nil || known.Data != nil {
		return body
	}
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int    `json:"created"`
		OwnedBy string `json:"owned_by"`
	}
	data := []model{}
	for _, m := range known.Models {
		if m.Slug == "" {
			return body
		}
		data = append(data, model{m.Slug, "model", 0, "openai"})
	}
	list, err := json.Marshal(data)
	if err != nil {
		return body
	}
	whole := bytes.TrimSpace(body)
	whole = whole[:len(whole)-1] // without the brace: it is an object
	return append(append(append(bytes.Clone(whole), `,"object":"list","data":`...), list...), '}')
}
