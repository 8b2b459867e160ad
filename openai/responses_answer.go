package openai

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// noUsage stands where the backend says nothing: there are clients that take a
// response without numbers for one that has not ended.
const noUsage = `{"input_tokens":0,"input_tokens_details":{"cached_tokens":0},"output_tokens":0,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":0}`

// answerResponses reads an answer to its end and returns it as one response.
func answerResponses(src *source, req *Request) ([]byte, error) {
	src.answer.keep = true
	for {
		if _, err := src.next(); err == io.EOF {
			return src.answer.sameID(src.answer.ended(req)), nil
		} else if err != nil {
			return nil, err
		}
		if _, _, err := src.apply(); err != nil {
			return nil, err
		}
	}
}

// ended is the response at its end, with what the backend leaves out of it: the
// output, and the usage.
func (a *reply) ended(req *Request) []byte {
	response := a.last
	if len(response) == 0 {
		response = withMember(a.skeleton(req), "status", []byte(`"completed"`))
	}
	said := memberOf(response, "output")
	switch {
	case !isFilled(said):
		if output := a.output(); len(output) > 0 || len(said) == 0 || said[0] != '[' {
			response = withMember(response, "output", req.restoreAll(output))
		}
	case req.renamed():
		var output []json.RawMessage
		each(said, func(raw []byte) { output = append(output, raw) })
		response = withMember(response, "output", req.restoreAll(output))
	}
	if usage := memberOf(response, "usage"); len(usage) == 0 || usage[0] != '{' {
		response = withMember(response, "usage", []byte(noUsage))
	}
	return response
}

// sameID gives a response the id that the client knows it by.
func (a *reply) sameID(response []byte) []byte {
	if len(response) == 0 || a.id == "" || plain(inside(memberOf(response, "id"))) == a.id {
		return response
	}
	return withMember(response, "id", quote(a.id))
}

// skeleton is a response of which little is known.
func (a *reply) skeleton(req *Request) []byte {
	id, model, created := a.id, a.model, a.created
	if id == "" {
		id = "resp_" + rand.Text()
	}
	if model == "" {
		model = req.Model
	}
	if created == 0 {
		created = time.Now().Unix()
	}
	return []byte(`{"id":` + string(quote(id)) + `,"object":"response","created_at":` + strconv.FormatInt(created, 10) +
		`,"status":"in_progress","model":` + string(quote(model)) + `,"output":[],"error":null,"incomplete_details":null,"instructions":null,` +
		`"metadata":null,"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"usage":null}`)
}

// restore gives a call the name that the client knows its tool by.
func (r *Request) restore(item []byte) []byte {
	if !r.renamed() {
		return item
	}
	sent := plain(inside(memberOf(item, "name")))
	if name := r.toolName(sent); name != sent {
		return withMember(item, "name", quote(name))
	}
	return item
}

func (r *Request) restoreAll(output []json.RawMessage) []byte {
	list := []byte{'['}
	for i, raw := range output {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, r.restore(raw)...)
	}
	return append(list, ']')
}
