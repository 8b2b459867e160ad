package broker

import (
	"slices"
	"time"
)

// Rotated is k with a new text, by its hash. The old one is good for as long as
// overlap says. Of a key that is rotated again meanwhile the oldest text ends.
func (k Key) Rotated(sum [32]byte, overlap time.Duration) Key {
	old := k.SHA256
	k.SHA256, k.Before, k.BeforeEnds = sum, [32]byte{}, time.Time{}
	if overlap > 0 {
		k.Before, k.BeforeEnds = old, time.Now().Add(overlap).Round(time.Second)
		if !k.Expires.IsZero() && k.Expires.Before(k.BeforeEnds) {
			k.BeforeEnds = k.Expires
		}
	}
	return k
}

// texts are the key once for each of its texts, the present one first.
func (k Key) texts() []Key {
	now := k
	now.Before, now.BeforeEnds = [32]byte{}, time.Time{}
	if k.Before == [32]byte{} {
		return []Key{now}
	}
	old := now
	old.SHA256, old.Expires = k.Before, k.BeforeEnds
	return []Key{now, old}
}

// present are the keys that are held, each with both of its texts. The caller holds mu.
func (ks *Keys) present() (list []Key) {
	for _, h := range ks.list {
		k := h.Key
		k.Expires = h.expires()
		if i := slices.IndexFunc(list, func(k Key) bool { return k.Name == h.Name }); i >= 0 {
			list[i].Before, list[i].BeforeEnds = k.SHA256, k.Expires
			continue
		}
		list = append(list, k)
	}
	return list
}

// newest are the keys that are held, each by its present text alone: the end of an old
// one is no end of the key.
func (ks *Keys) newest() (list []*heldKey) {
	names := map[string]bool{}
	for _, h := range ks.held() { // the present text comes first
		if !names[h.Name] {
			names[h.Name] = true
			list = append(list, h)
		}
	}
	return list
}

// lastUsed is when each key was last used here, by either text, in Unix seconds.
func (ks *Keys) lastUsed() map[string]int64 {
	used := map[string]int64{}
	for _, h := range ks.held() {
		used[h.Name] = max(used[h.Name], h.used.Load())
	}
	return used
}

// next holds the texts of list, and ends those that are not in it. The caller holds mu.
func (ks *Keys) next(list []Key) (next []*heldKey) {
	for _, k := range list {
		texts := k.texts()
		held := make([]*heldKey, len(texts))
		var like *heldKey // what a text that is new shares
		for i, text := range texts {
			if held[i] = ks.keep(text); held[i] != nil {
				like = held[i]
			}
		}
		for i, text := range texts {
			if held[i] == nil {
				held[i] = hold(text, like, ks.statsOf(text.Name))
				like = held[i]
			}
		}
		next = append(next, held...)
	}
	for _, h := range ks.list {
		if !slices.Contains(next, h) {
			h.revoke(errRevoked)
		}
	}
	return next
}

// keep returns the text of k if it is held already, with k's end from now on.
func (ks *Keys) keep(k Key) *heldKey {
	i := slices.IndexFunc(ks.list, func(h *heldKey) bool { return h.same(k) })
	if i < 0 || !ks.list[i].endAt(k.Expires) {
		return nil
	}
	return ks.list[i]
}

// statsOf are the counters of a name, whatever key it is of.
func (ks *Keys) statsOf(name string) *stats {
	for _, h := range ks.list {
		if h.Name == name {
			return h.stats
		}
	}
	return new(stats)
}

// same reports whether two texts differ in nothing but when they end.
func (k Key) same(other Key) bool {
	return k.Name == other.Name && k.SHA256 == other.SHA256 && k.Lease == other.Lease && k.Metrics == other.Metrics &&
		k.Status == other.Status && k.Login == other.Login && slices.Equal(k.Paths, other.Paths) && k.Rate == other.Rate && k.Streams == other.Streams
}
