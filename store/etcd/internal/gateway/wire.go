package gateway

import (
	"bytes"
	"strconv"
)

// What the gateway takes and answers: etcd's protocol buffers as JSON, in which
// bytes are base64 and 64-bit numbers are strings.

type Number int64

func (n Number) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatInt(int64(n), 10)), nil
}

func (n *Number) UnmarshalJSON(text []byte) error {
	i, err := strconv.ParseInt(string(bytes.Trim(text, `"`)), 10, 64)
	*n = Number(i)
	return err
}

// KeyValue is one key with its value. Its revisions count changes of the whole
// cluster, so that no two states of a key have the same.
type KeyValue struct {
	Key            []byte `json:"key"`
	Value          []byte `json:"value"`
	CreateRevision Number `json:"create_revision"`
	ModRevision    Number `json:"mod_revision"`
	Lease          Number `json:"lease"`
}

type header struct {
	Revision Number `json:"revision"`
}

// revision is the cluster's, which is never 0.
func (r *RangeAnswer) revision() Number { return r.Header.Revision }
func (r *TxnAnswer) revision() Number   { return r.Header.Revision }

type Range struct {
	Key               []byte `json:"key"`
	RangeEnd          []byte `json:"range_end,omitempty"`
	Limit             Number `json:"limit,omitempty"`
	SortOrder         string `json:"sort_order,omitempty"`
	SortTarget        string `json:"sort_target,omitempty"`
	KeysOnly          bool   `json:"keys_only,omitempty"`
	MaxCreateRevision Number `json:"max_create_revision,omitempty"`
}

type RangeAnswer struct {
	Header header     `json:"header"`
	KVs    []KeyValue `json:"kvs"`
	More   bool       `json:"more"`
}

// First is the first key found, or nil.
func (r *RangeAnswer) First() *KeyValue {
	if r == nil || len(r.KVs) == 0 {
		return nil
	}
	return &r.KVs[0]
}

type Put struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
	Lease Number `json:"lease,omitempty"`
}

type Delete struct {
	Key []byte `json:"key"`
}

// Compare is a condition on a key, or on all keys of a range: that they equal
// what is given. A key that does not exist has the revisions 0.
type Compare struct {
	Result         string  `json:"result"`
	Target         string  `json:"target"`
	Key            []byte  `json:"key"`
	RangeEnd       []byte  `json:"range_end,omitempty"`
	ModRevision    *Number `json:"mod_revision,omitempty"`
	CreateRevision *Number `json:"create_revision,omitempty"`
	Value          *[]byte `json:"value,omitempty"`
}

func CreatedAt(key, end []byte, revision Number) Compare {
	return Compare{Result: "EQUAL", Target: "CREATE", Key: key, RangeEnd: end, CreateRevision: &revision}
}

func ChangedAt(key []byte, revision Number) Compare {
	return Compare{Result: "EQUAL", Target: "MOD", Key: key, ModRevision: &revision}
}

func ValueIs(key, value []byte) Compare {
	return Compare{Result: "EQUAL", Target: "VALUE", Key: key, Value: &value}
}

type Operation struct {
	Range  *Range  `json:"request_range,omitempty"`
	Put    *Put    `json:"request_put,omitempty"`
	Delete *Delete `json:"request_delete_range,omitempty"`
}

// Txn performs Success if all of Compare holds, and Failure otherwise.
type Txn struct {
	Compare []Compare   `json:"compare,omitempty"`
	Success []Operation `json:"success,omitempty"`
	Failure []Operation `json:"failure,omitempty"`
}

type TxnAnswer struct {
	Header    header `json:"header"`
	Succeeded bool   `json:"succeeded"`
	Responses []struct {
		Range *RangeAnswer `json:"response_range"`
	} `json:"responses"`
}

// Found returns what the nth range of the branch that was taken found first, or nil.
func (r *TxnAnswer) Found(n int) *KeyValue {
	for _, response := range r.Responses {
		if response.Range == nil {
			continue
		}
		if n == 0 {
			return response.Range.First()
		}
		n--
	}
	return nil
}

// leaseMessage is a request about a lease, and its answer.
type leaseMessage struct {
	ID  Number `json:"ID"`
	TTL Number `json:"TTL,omitempty"` // seconds; none: there is no such lease
}

// streamed is one message of an answer that is a stream.
type streamed[T any] struct {
	Result *T       `json:"result"`
	Error  *problem `json:"error"`
}

// Watch is a key to be told about, from a revision on.
type Watch struct {
	Key           []byte   `json:"key"`
	StartRevision Number   `json:"start_revision"`
	Filters       []string `json:"filters,omitempty"`
}

// DeletionOf watches for the end of a key.
func DeletionOf(key []byte, from Number) Watch {
	return Watch{Key: key, StartRevision: from, Filters: []string{"NOPUT"}}
}

type watchRequest struct {
	Create Watch `json:"create_request"`
}

type watchResponse struct {
	Created         bool    `json:"created"`
	Canceled        bool    `json:"canceled"`
	CancelReason    string  `json:"cancel_reason"`
	CompactRevision Number  `json:"compact_revision"`
	Events          []Event `json:"events"`
}

// Event is what happened to a key.
type Event struct {
	Type string   `json:"type"` // none, or "PUT"; "DELETE"
	KV   KeyValue `json:"kv"`
}

// Put returns the value that key was given, which is not nil, or nil if it was none.
func (e *Event) Put(key []byte) []byte {
	if e.Type == "DELETE" || !bytes.Equal(e.KV.Key, key) {
		return nil
	}
	return append([]byte{}, e.KV.Value...)
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

// PrefixEnd is the end of the range of all keys that begin with prefix.
func PrefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0} // all keys there are
}
