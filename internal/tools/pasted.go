package tools

// pasted are the tools whose settings a person writes: their files are not known well
// enough, or they are programs of one's own. Each is as its documentation has it.
func pasted() []Tool {
	return []Tool{
		{
			Name: "zed", Title: "Zed", programs: []string{"zed", "zeditor"}, dirs: []string{"$XDG_CONFIG_HOME/zed|~/.config/zed"},
			paste: `In Zed's settings.json (zed: open settings file):

  "language_models": {
    "openai_compatible": {
      "codexauth": {
        "api_url": "{url}",
        "available_models": [{ "name": "{model}", "max_tokens": 200000 }]
      }
    }
  }

The key, in Zed's provider settings or as the variable CODEXAUTH_API_KEY:

  {key}
`,
		},
		{
			Name: "aider", Title: "aider", programs: []string{"aider"},
			paste: `export OPENAI_API_BASE={url}
export OPENAI_API_KEY={key}
aider --model openai/{model}
`,
		},
		{
			Name: "litellm", Title: "LiteLLM", programs: []string{"litellm"},
			paste: `In LiteLLM's config.yaml:

model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {url}
      api_key: {key}
`,
		},
		{
			Name: "open-webui", Title: "Open WebUI", programs: []string{"open-webui"},
			paste: `These count at its first start only; later its connection settings do:

export OPENAI_API_BASE_URL={url}
export OPENAI_API_KEY={key}
open-webui serve
`,
		},
		{Name: "openai", Title: "OpenAI's SDKs", paste: variables + "\nIn the program: new OpenAI(), openai.NewClient() or OpenAI(), without arguments.\n"},
		{Name: "ai-sdk", Title: "the AI SDK", paste: variables + "\nIn the program: openai(\"MODEL\"), of @ai-sdk/openai.\n"},
		{Name: "agents", Title: "the Agents SDK", paste: variables + "\nSwitch its tracing off, which goes to OpenAI: setTracingDisabled(true).\n"},
		{Name: "go-openai", Title: "go-openai", paste: "config := openai.DefaultConfig(\"{key}\")\nconfig.BaseURL = \"{url}\"\nclient := openai.NewClientWithConfig(config)\n"},
	}
}

const variables = "export OPENAI_BASE_URL={url}\nexport OPENAI_API_KEY={key}\n"
