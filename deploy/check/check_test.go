// Package check holds what is in deploy against the types and schemas of those who
// read it. It is a module of its own, so that nothing else depends on these.
package check

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// strictly decodes a manifest into the type that the cluster has for it: a field that
// there is not, and a value of another type, fail.
func strictly[T any](t *testing.T, name string) (v T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &v); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return v
}

func TestKubernetes(t *testing.T) {
	d := strictly[appsv1.Deployment](t, "deployment.yaml")
	s := strictly[corev1.Service](t, "service.yaml")
	n := strictly[networkingv1.NetworkPolicy](t, "networkpolicy.yaml")
	p := strictly[policyv1.PodDisruptionBudget](t, "disruption.yaml")
	m := strictly[monitoringv1.PodMonitor](t, "podmonitor.yaml")
	pod := d.Spec.Template
	for name, labels := range map[string]map[string]string{
		"the deployment":        d.Spec.Selector.MatchLabels,
		"the service":           s.Spec.Selector,
		"the network policy":    n.Spec.PodSelector.MatchLabels,
		"the disruption budget": p.Spec.Selector.MatchLabels,
		"the monitor":           m.Spec.Selector.MatchLabels,
	} {
		for k, v := range labels {
			if pod.Labels[k] != v {
				t.Errorf("%s selects other pods: %s=%s", name, k, v)
			}
		}
	}
	broker := pod.Spec.Containers[0]
	if broker.LivenessProbe.HTTPGet.Path != "/healthz" || broker.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Error("the probes ask something else")
	}
	if port := s.Spec.Ports[0].TargetPort.StrVal; port != broker.Ports[0].Name {
		t.Errorf("the service is for the port %q", port)
	}
	for _, e := range m.Spec.PodMetricsEndpoints {
		if e.Port == nil || *e.Port != broker.Ports[0].Name || e.Path != "/metrics" || e.Scheme == nil || *e.Scheme != "https" {
			t.Errorf("the monitor reads %+v", e)
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range broker.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("there is no volume %q", m.Name)
		}
	}
}

func TestKustomizationNamesEveryFile(t *testing.T) {
	k := strictly[struct {
		APIVersion, Kind string
		Resources        []string
		Labels           []struct {
			Pairs            map[string]string
			IncludeSelectors bool
		}
		Images []struct{ Name, NewTag string }
	}](t, "kustomization.yaml")
	files, err := filepath.Glob("../kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := filepath.Base(f); name != "kustomization.yaml" && !slices.Contains(k.Resources, name) {
			t.Errorf("the kustomization does not name %s", name)
		}
	}
	if len(k.Resources) != len(files)-1 {
		t.Errorf("the kustomization names %v", k.Resources)
	}
}

// The loader checks it against the schema of the Compose Specification.
func TestCompose(t *testing.T) {
	o, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithoutEnvironmentResolution)
	if err != nil {
		t.Fatal(err)
	}
	project, err := o.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if project.Services["agent"].NetworkMode != "none" || !project.Services["broker"].ReadOnly {
		t.Errorf("%+v", project.Services)
	}
}
