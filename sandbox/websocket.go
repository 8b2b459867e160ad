package sandbox

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// What of RFC 6455 a backend needs that sends short messages: no extensions, no
// fragments of its own.
const (
	opContinuation = 0x0
	opText         = 0x1
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa

	closeNormal   = 1000
	closeProtocol = 1002
	closeKind     = 1003
	closeTooBig   = 1009

	// webSocketIdle is how long a WebSocket may be silent.
	webSocketIdle = 10 * time.Minute
)

var errWebSocketClosed = errors.New("the WebSocket was closed")

// A webSocket is the server's side of one.
type webSocket struct {
	conn net.Conn
	r    *bufio.Reader
}

// acceptWebSocket answers an upgrade (RFC 6455 §4.2.2).
func acceptWebSocket(w http.ResponseWriter, r *http.Request) (*webSocket, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if nonce, err := base64.StdEncoding.DecodeString(key); err != nil || len(nonce) != 16 || r.Header.Get("Sec-WebSocket-Version") != "13" {
		return nil, errors.New("Sec-WebSocket-Key and Sec-WebSocket-Version: 13 are missing or wrong")
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	h := w.Header()
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	var head strings.Builder
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&head) // a strings.Builder takes everything
	if _, err := io.WriteString(conn, head.String()+"\r\n"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &webSocket{conn, rw.Reader}, nil
}

// read returns the next message, and answers pings and the end meanwhile.
func (ws *webSocket) read() (message []byte, err error) {
	for {
		if err := ws.conn.SetReadDeadline(time.Now().Add(webSocketIdle)); err != nil {
			return nil, err
		}
		last, op, payload, err := ws.frame(maxPrompt - len(message))
		if err != nil {
			return nil, err
		}
		switch op {
		case opText, opContinuation:
			if (op == opText) != (message == nil) {
				return nil, ws.close(closeProtocol)
			}
			if message = append(message, payload...); message == nil {
				message = []byte{}
			}
			if last {
				return message, nil
			}
		case opPing:
			if err := ws.write(opPong, payload); err != nil {
				return nil, err
			}
		case opPong:
		case opClose:
			return nil, ws.close(closeNormal)
		default:
			return nil, ws.close(closeKind)
		}
	}
}

// frame reads one (RFC 6455 §5.2). Those of clients are masked.
func (ws *webSocket) frame(limit int) (last bool, op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(ws.r, head[:]); err != nil {
		return false, 0, nil, err
	}
	last, op = head[0]&0x80 != 0, head[0]&0x0f
	if head[0]&0x70 != 0 || head[1]&0x80 == 0 || op >= opClose && (!last || head[1]&0x7f > 125) {
		return false, 0, nil, ws.close(closeProtocol)
	}
	length := uint64(head[1] & 0x7f)
	if length >= 126 {
		more := make([]byte, 2+(length-126)*6)
		if _, err := io.ReadFull(ws.r, more); err != nil {
			return false, 0, nil, err
		}
		length = 0
		for _, b := range more {
			length = length<<8 | uint64(b)
		}
	}
	if length > uint64(max(limit, 125)) {
		return false, 0, nil, ws.close(closeTooBig)
	}
	var mask [4]byte
	if _, err := io.ReadFull(ws.r, mask[:]); err != nil {
		return false, 0, nil, err
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(ws.r, payload); err != nil {
		return false, 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return last, op, payload, nil
}

func (ws *webSocket) write(op byte, payload []byte) error {
	frame := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	_, err := ws.conn.Write(append(frame, payload...))
	return err
}

// close says why, and returns the error that ends the reading.
func (ws *webSocket) close(code uint16) error {
	return errors.Join(errWebSocketClosed, ws.write(opClose, binary.BigEndian.AppendUint16(nil, code)))
}

// handleUpgrade answers GET …/responses: each message that asks for a response
// gets the events of one, a message each. Told to, it turns WebSockets down with
// the 426 that makes the official CLI fall back to HTTP at once.
func (s *Server) handleUpgrade(w http.ResponseWriter, r *http.Request, call backendCall) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Allow", "POST")
		writeRefusal(w, &refusal{status: http.StatusMethodNotAllowed, code: "method_not_allowed", message: "Use POST."})
		return
	}
	if call.faults.has("backend-no-websocket") {
		writeRefusal(w, &refusal{status: http.StatusUpgradeRequired, code: "upgrade_required", message: "This sandbox was told not to speak WebSocket; use HTTP."})
		return
	}
	ws, err := acceptWebSocket(w, r)
	if err != nil {
		writeRefusal(w, badRequest("%v", err))
		return
	}
	defer ws.conn.Close()
	stop := s.closeWith(ws.conn)
	defer stop()
	for {
		message, err := ws.read()
		if err != nil || s.converse(ws, message, call) != nil {
			return
		}
	}
}

// closeWith closes conn when the server does.
func (s *Server) closeWith(conn net.Conn) (forget func()) {
	done := make(chan struct{})
	s.handlers.Go(func() {
		select {
		case <-s.ctx.Done():
			conn.Close()
		case <-done:
		}
	})
	return func() { close(done) }
}

// converse answers one message.
func (s *Server) converse(ws *webSocket, message []byte, call backendCall) error {
	out := socketSink{ws}
	p, refused := s.readMessage(message, call.user)
	if refused != nil {
		s.count(func(c *Counters) { c.BackendRefused++ })
		return out.refuse(refused.Status, refused.body())
	}
	t, refused := s.due(p)
	if refused != nil {
		return out.refuse(refused.Status, refused.body())
	}
	if status, body := s.instead(t, call.user); status != 0 {
		return out.refuse(status, body)
	}
	return s.answerTo(p, call.user, t).send(s.ctx, out, call.faults)
}

// readMessage wants {"type":"response.create"} and otherwise what HTTP wants; a
// WebSocket may go on from a previous response.
func (s *Server) readMessage(message []byte, user User) (*prompt, *BodyError) {
	var m map[string]json.RawMessage
	if json.Unmarshal(message, &m) != nil || m == nil {
		return nil, refuseBody("", "invalid_request", "The message is not a JSON object.")
	}
	var kind string
	if err := json.Unmarshal(m["type"], &kind); err != nil || kind != "response.create" {
		return nil, refuseBody("type", "invalid_request", "Unknown message type %.40q; send response.create.", kind)
	}
	delete(m, "type")
	body, err := json.Marshal(m)
	if err != nil {
		return nil, refuseBody("", "invalid_request", "The message is not a JSON object.")
	}
	return s.read(body, user, overWebSocket)
}

// A socketSink sends an answer as messages, one an event.
type socketSink struct{ ws *webSocket }

func (o socketSink) event(e object) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return o.ws.write(opText, data)
}

func (o socketSink) raw(text string) error { return o.ws.write(opText, []byte(text)) }

func (o socketSink) bulk(e object, from, times int) error {
	for i := range times {
		e["sequence_number"] = from + i
		if err := o.event(e); err != nil {
			return err
		}
	}
	return nil
}

func (o socketSink) cut() { o.ws.conn.Close() }

func (o socketSink) refuse(status int, body object) error {
	e := object{"type": "error", "status": status}
	for key, value := range body {
		e[key] = value
	}
	return o.event(e)
}
