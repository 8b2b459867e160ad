package etcd

import (
	"bytes"
	"strconv"
)

// What the gateway takes and answers: etcd's protocol buffers as JSON, in which
// bytes are base64 and 64-bit numbers are strings.

type number int64

func (n number) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatInt(int64(n), 10)), nil
}

func (n *number) UnmarshalJSON(text []byte) error {
	i, err := strconv.ParseInt(string(bytes.Trim(text, `"`)), 10, 64)
	*n = number(i)
	return err
}

// keyValue is one key with its value. Its revisions count changes of the whole
// cluster, so that no two states of a key have the same.
type keyValue struct {
	Key            []byte `json:"key"`
	Value          []byte `json:"value"`
	CreateRevision number `json:"create_revision"`
	ModRevision    number `json:"mod_revision"`
	Lease          number `json:"lease"`
}

type header struct {
	Revision number `json:"revision"`
}

// revision is the cluster's, which is never 0.
func (r *rangeResponse) revision() number { return r.Header.Revision }
func (r *txnResponse) revision() number   { return r.Header.Revision }

type rangeRequest struct {
	Key               []byte `json:"key"`
	RangeEnd          []byte `json:"range_end,omitempty"`
	Limit             number `json:"limit,omitempty"`
	SortOrder         string `json:"sort_order,omitempty"`
	SortTarget        string `json:"sort_target,omitempty"`
	KeysOnly          bool   `json:"keys_only,omitempty"`
	MaxCreateRevision number `json:"max_create_revision,omitempty"`
}

type rangeResponse struct {
	Header header     `json:"header"`
	KVs    []keyValue `json:"kvs"`
	More   bool       `json:"more"`
}

// first is the first key found, or nil.
func (r *rangeResponse) first() *keyValue {
	if r == nil || len(r.KVs) == 0 {
		return nil
	}
	return &r.KVs[0]
}

type putRequest struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
	Lease number `json:"lease,omitempty"`
}

type deleteRequest struct {
	Key []byte `json:"key"`
}

// compare is a condition on a key, or on all keys of a range: that they equal
// what is given. A key that does not exist has the revisions 0.
type compare struct {
	Result         string  `json:"result"`
	Target         string  `json:"target"`
	Key            []byte  `json:"key"`
	RangeEnd       []byte  `json:"range_end,omitempty"`
	ModRevision    *number `json:"mod_revision,omitempty"`
	CreateRevision *number `json:"create_revision,omitempty"`
	Value          *[]byte `json:"value,omitempty"`
}

func createdAt(key, end []byte, revision number) compare {
	return compare{Result: "EQUAL", Target: "CREATE", Key: key, RangeEnd: end, CreateRevision: &revision}
}

func changedAt(key []byte, revision number) compare {
	return compare{Result: "EQUAL", Target: "MOD", Key: key, ModRevision: &revision}
}

func valueIs(key, value []byte) compare {
	return compare{Result: "EQUAL", Target: "VALUE", Key: key, Value: &value}
}

type operation struct {
	Range  *rangeRequest  `json:"request_range,omitempty"`
	Put    *putRequest    `json:"request_put,omitempty"`
	Delete *deleteRequest `json:"request_delete_range,omitempty"`
}

// txnRequest performs Success if all of Compare holds, and Failure otherwise.
type txnRequest struct {
	Compare []compare   `json:"compare,omitempty"`
	Success []operation `json:"success,omitempty"`
	Failure []operation `json:"failure,omitempty"`
}

type txnResponse struct {
	Header    header `json:"header"`
	Succeeded bool   `json:"succeeded"`
	Responses []struct {
		Range *rangeResponse `json:"response_range"`
	} `json:"responses"`
}

// found returns what the nth range of the branch that was taken found first, or nil.
func (r *txnResponse) found(n int) *keyValue {
	for _, response := range r.Responses {
		if response.Range == nil {
			continue
		}
		if n == 0 {
			return response.Range.first()
		}
		n--
	}
	return nil
}

// leaseMessage is a request about a lease, and its answer.
type leaseMessage struct {
	ID  number `json:"ID"`
	TTL number `json:"TTL,omitempty"` // seconds; none: there is no such lease
}

// streamed is one message of an answer that is a stream.
type streamed[T any] struct {
	Result *T       `json:"result"`
	Error  *problem `json:"error"`
}

// watched is a key to be told about, from a revision on.
type watched struct {
	Key           []byte   `json:"key"`
	StartRevision number   `json:"start_revision"`
	Filters       []string `json:"filters,omitempty"`
}

// deletionOf watches for the end of a key.
func deletionOf(key []byte, from number) watched {
	return watched{Key: key, StartRevision: from, Filters: []string{"NOPUT"}}
}

type watchRequest struct {
	Create watched `json:"create_request"`
}

type watchResponse struct {
	Created         bool    `json:"created"`
	Canceled        bool    `json:"canceled"`
	CancelReason    string  `json:"cancel_reason"`
	CompactRevision number  `json:"compact_revision"`
	Events          []event `json:"events"`
}

// event is what happened to a key.
type event struct {
	Type string   `json:"type"` // none, or "PUT"; "DELETE"
	KV   keyValue `json:"kv"`
}

// put returns the value that key was given, or nil.
func (e *event) put(key []byte) []byte {
	if e.Type == "DELETE" || !bytes.Equal(e.KV.Key, key) {
		return nil
	}
	return entryOf(&e.KV).record
}

// problem is an error as the gateway tells it, in an answer or in a stream, by
// older and newer versions.
type problem struct {
	Code     int    `json:"code"`
	GRPCCode int    `json:"grpc_code"`
	Message  string `json:"message"`
	Error    string `json:"error"`
}

type authenticateRequest struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

type authenticateResponse struct {
	Token string `json:"token"`
}

// prefixEnd is the end of the range of all keys that begin with prefix.
func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0} // all keys there are
}
