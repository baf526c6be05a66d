cwlVersion: v1.2
class: Workflow
label: em.membranes
doc: >
  Affinities and membranes of an electron micrograph, predicted by a network that comes with voxome, or derived from a
  membrane map.
inputs:
  raw: {type: [File, string], doc: "Electron micrograph (z, y, x) with dark membranes."}
  membranes: {type: ["null", File, string], doc: "Membrane map, uint8, 255 = membrane."}
  model: {type: "string?", doc: "Name of a network, or path of its model card."}
  store: string
  block: string?
  workers: int?
steps:
  statistics:
    run: ../tools/common.statistics.cwl
    in: {image: raw, store: store, block: block, workers: workers}
    out: [result]
  network:
    run: ../tools/em.network.cwl
    in:
      raw: raw
      histogram: statistics/result
      membranes: membranes
      model: model
      store: store
      block: block
      workers: workers
    out: [affinities, membranes]
outputs:
  affinities: {type: File, outputSource: network/affinities}
  membranes: {type: File, outputSource: network/membranes}
  histogram: {type: File, outputSource: statistics/result}
