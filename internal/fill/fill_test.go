package fill

import "testing"

func TestIn(t *testing.T) {
	for _, c := range []struct {
		page   HTML
		values map[string]any
		want   HTML
	}{
		{`<p>{{text}}</p>`, map[string]any{"text": `<script>alert("1")</script> & 'x'`},
			`<p>&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; &#39;x&#39;</p>`},
		{`<input value="{{v}}">`, map[string]any{"v": `" onfocus="x`}, `<input value="&#34; onfocus=&#34;x">`},
		{`{{a}}{{b}}`, map[string]any{"a": HTML("<b>"), "b": "{{a}}"}, `<b>{{a}}`}, // a value's own braces are text
		{`<p>{{missing}}</p>`, nil, `<p></p>`},
		{`{{torn`, map[string]any{"torn": "x"}, `x`},
		{`no place`, nil, `no place`},
	} {
		if got := In(c.page, c.values); got != c.want {
			t.Errorf("In(%q, %v) = %q, want %q", c.page, c.values, got, c.want)
		}
	}
	if got := If("", "<p>{{text}}</p>"); got != "" {
		t.Errorf("nothing to show, and %q", got)
	}
	if got := If("a<b", "<p>{{text}}</p>"); got != "<p>a&lt;b</p>" {
		t.Errorf("got %q", got)
	}
}
