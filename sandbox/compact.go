package sandbox

import "net/http"

// handleCompact answers POST …/responses/compact: what the user said stays, and
// a sealed item stands for the rest.
func (s *Server) handleCompact(w http.ResponseWriter, _ *http.Request, call backendCall) {
	p, refused := s.read(call.body, call.user, forCompact)
	if refused != nil {
		s.refuseBody(w, refused)
		return
	}
	if call.faults.has("backend-drop") {
		drop(w)
		return
	}
	a := s.answerTo(p, call.user, nil)
	output := []any{}
	for _, item := range p.input {
		if itemType(item) == "message" && item["role"] == "user" {
			output = append(output, object{"id": s.random.token("msg_"), "type": "message", "role": "user", "status": "completed",
				"content": []any{object{"type": "input_text", "text": contentText(item["content"])}}})
		}
	}
	output = append(output, object{"id": s.random.token("cmp_"), "type": "compaction", "encrypted_content": s.sealed(call.user.AccountID)})
	writeJSON(w, http.StatusOK, object{
		"id": a.id, "object": "response.compaction", "created_at": a.created.Unix(), "output": output, "usage": a.usage(),
	})
}
