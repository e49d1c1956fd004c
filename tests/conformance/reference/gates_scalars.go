//go:build k134 || k135

package main

import dracel "k8s.io/dynamic-resource-allocation/cel"

// features are the gates of Kubernetes 1.34 and 1.35: DRAConsumableCapacity is off by default, list attributes unknown.
func features(gates map[string]bool) dracel.Features {
	return dracel.Features{EnableConsumableCapacity: gate(gates, "DRAConsumableCapacity", false)}
}
