package main

import "filippo.io/torchwood"

type policyRequest struct {
	Policy string `json:"policy"`
	// Checkpoints are signed notes.
	Checkpoints []string `json:"checkpoints"`
}

type policyAnswer struct {
	Accepted []bool `json:"accepted"`
}

// tryPolicy says which checkpoints a policy file accepts.
func tryPolicy(request policyRequest) (*policyAnswer, error) {
	policy, err := torchwood.ParsePolicy([]byte(request.Policy))
	if err != nil {
		return nil, err
	}
	answer := &policyAnswer{Accepted: []bool{}}
	for _, signed := range request.Checkpoints {
		_, _, err := torchwood.VerifyCheckpoint([]byte(signed), policy)
		answer.Accepted = append(answer.Accepted, err == nil)
	}
	return answer, nil
}
