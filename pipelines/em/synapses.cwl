cwlVersion: v1.2
class: Workflow
label: em.synapses
doc: Synapses as objects, by a classical detector of dark, thick spots at membranes; components are joined over blocks.
inputs:
  raw: {type: [File, string], doc: "Electron micrograph, z, y, x, dark membranes."}
  membranes: {type: [File, string], doc: "Membrane map, uint8, 255 = membrane."}
  histogram: {type: [File, string], doc: "Grey values of raw, from common.statistics."}
  synapse_threshold: {type: "int?", doc: "Smallest score of a voxel of a synapse."}
  store: string
  block: string?
  workers: int?
steps:
  densities:
    run: ../tools/em.densities.cwl
    in:
      raw: raw
      membranes: membranes
      histogram: histogram
      synapse_threshold: synapse_threshold
      store: store
      block: block
      workers: workers
    out: [score, components]
  touching:
    run: ../tools/common.touching.cwl
    in: {labels: densities/components, store: store, block: block, workers: workers}
    out: [pairs]
  union:
    run: ../tools/common.union.cwl
    in: {pairs: touching/pairs, store: store}
    out: [lookup]
  relabel:
    run: ../tools/common.relabel.cwl
    in:
      labels: densities/components
      lookup: union/lookup
      keep: {default: true}
      store: store
      block: block
      workers: workers
    out: [result]
outputs:
  synapses: {type: File, outputSource: relabel/result}
  score: {type: File, outputSource: densities/score}
