//go:build !k134 && !k135

package main

import dracel "k8s.io/dynamic-resource-allocation/cel"

// features are the gates of Kubernetes 1.36 and later, where DRAConsumableCapacity is on by default.
func features(gates map[string]bool) dracel.Features {
	return dracel.Features{
		EnableConsumableCapacity: gate(gates, "DRAConsumableCapacity", true),
		EnableListTypeAttributes: gate(gates, "DRAListTypeAttributes", false),
	}
}
