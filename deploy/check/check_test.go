// Package check holds what is in deploy against the types and schemas of those who
// read it. It is a module of its own, so that nothing else depends on these.
package check

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// built is what `kubectl apply -k` would send to the cluster.
func built(t *testing.T) resmap.ResMap {
	t.Helper()
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// strictly decodes the one manifest of a kind into the type that the cluster has for
// it: a field that there is not, and a value of another type, fail.
func strictly[T any](t *testing.T, m resmap.ResMap, kind string) (v T) {
	t.Helper()
	found := 0
	for _, r := range m.Resources() {
		if r.GetKind() != kind {
			continue
		}
		found++
		text, err := r.AsYAML()
		if err == nil {
			err = yaml.UnmarshalStrict(text, &v)
		}
		if err != nil {
			t.Errorf("the %s: %v", kind, err)
		}
	}
	if found != 1 {
		t.Errorf("there are %d manifests of a %s", found, kind)
	}
	return v
}

func selects(t *testing.T, s *metav1.LabelSelector, pod map[string]string) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set(pod))
}

func TestKubernetes(t *testing.T) {
	m := built(t)
	d := strictly[appsv1.Deployment](t, m, "Deployment")
	s := strictly[corev1.Service](t, m, "Service")
	monitor := strictly[monitoringv1.PodMonitor](t, m, "PodMonitor")
	pod := d.Spec.Template
	broker := pod.Spec.Containers[0]
	if broker.LivenessProbe.HTTPGet.Path != "/healthz" || broker.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Error("the probes ask something else")
	}
	if !strings.HasPrefix(broker.Image, "registry.invalid/codexauth:") {
		t.Errorf("the image is %s, of no version", broker.Image)
	}
	if port := s.Spec.Ports[0].TargetPort.StrVal; port != broker.Ports[0].Name {
		t.Errorf("the service is for the port %q", port)
	}
	for _, e := range monitor.Spec.PodMetricsEndpoints {
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

// Everything is about the deployment's pods, and about no others.
func TestSelectors(t *testing.T) {
	m := built(t)
	d := strictly[appsv1.Deployment](t, m, "Deployment")
	n := strictly[networkingv1.NetworkPolicy](t, m, "NetworkPolicy")
	monitor := strictly[monitoringv1.PodMonitor](t, m, "PodMonitor")
	for name, s := range map[string]*metav1.LabelSelector{
		"the deployment":        d.Spec.Selector,
		"the service":           {MatchLabels: strictly[corev1.Service](t, m, "Service").Spec.Selector},
		"the network policy":    &n.Spec.PodSelector,
		"the disruption budget": strictly[policyv1.PodDisruptionBudget](t, m, "PodDisruptionBudget").Spec.Selector,
		"the monitor":           &monitor.Spec.Selector,
	} {
		if !selects(t, s, d.Spec.Template.Labels) {
			t.Errorf("%s does not select the broker's pods: %+v", name, s)
		}
		if selects(t, s, client) || selects(t, s, nil) {
			t.Errorf("%s selects other pods: %+v", name, s)
		}
	}
}

// client is all that deploy/README.md asks of a pod.
var client = map[string]string{"codexauth-client": "true"}

func TestClientsAreLetIn(t *testing.T) {
	n := strictly[networkingv1.NetworkPolicy](t, built(t), "NetworkPolicy")
	letIn := func(pod map[string]string) bool {
		return slices.ContainsFunc(n.Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
			return len(rule.From) == 0 || slices.ContainsFunc(rule.From, func(p networkingv1.NetworkPolicyPeer) bool {
				return p.PodSelector != nil && p.NamespaceSelector == nil && selects(t, p.PodSelector, pod)
			})
		})
	}
	if !letIn(client) {
		t.Error("a client's pod is shut out")
	}
	if letIn(map[string]string{"app": "another"}) {
		t.Error("any pod is let in")
	}
}

// Each file has one manifest.
func TestKustomizationNamesEveryFile(t *testing.T) {
	files, err := filepath.Glob("../kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := built(t).Size(); n != len(files)-1 {
		t.Errorf("the kustomization makes %d manifests of %d files: %v", n, len(files)-1, files)
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
