cwlVersion: v1.2
class: Workflow
label: em.synapses
doc: >
  Synapses as objects, from a classical detector of dark, thick densities at membranes. Components are merged across
  blocks.
inputs:
  raw: {type: [File, string], doc: "Electron micrograph (z, y, x) with dark membranes."}
  membranes: {type: [File, string], doc: "Membrane map, uint8, 255 = membrane."}
  histogram: {type: [File, string], doc: "Histogram of raw, from common.statistics."}
  tissue: {type: ["null", File, string], doc: "Tissue map from common.tissue; no synapses where it is 0."}
  synapse_threshold: {type: "int?", doc: "Minimum score (0 to 255) of a voxel of a synapse."}
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
      tissue: tissue
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
