cwlVersion: v1.2
class: Workflow
label: em.membranes
doc: >
  Affinities and membranes of an electron micrograph, predicted by a network that comes with voxome, or derived from a
  membrane map.
inputs:
  raw: {type: [File, string], doc: "Electron micrograph (z, y, x) with dark membranes."}
  membranes: {type: ["null", File, string], doc: "Membrane map, uint8, 255 = membrane."}
  mask: {type: ["null", File, string], doc: "0 where there are no data."}
  no_data: {type: "double?", doc: "Grey value that means no data."}
  detect_no_data: {type: "boolean?", doc: "Whether nearly constant areas of a section have no data."}
  model: {type: "string?", doc: "Name of a network, or path of its model card."}
  store: string
  block: string?
  workers: int?
steps:
  tissue:
    run: ../tools/common.tissue.cwl
    in:
      image: raw
      mask: mask
      no_data: no_data
      detect: detect_no_data
      store: store
      block: block
      workers: workers
    out: [tissue, sections]
  statistics:
    run: ../tools/common.statistics.cwl
    in: {image: raw, tissue: tissue/tissue, store: store, block: block, workers: workers}
    out: [result]
  network:
    run: ../tools/em.network.cwl
    in:
      raw: raw
      histogram: statistics/result
      membranes: membranes
      tissue: tissue/tissue
      model: model
      store: store
      block: block
      workers: workers
    out: [affinities, membranes]
outputs:
  affinities: {type: File, outputSource: network/affinities}
  membranes: {type: File, outputSource: network/membranes}
  histogram: {type: File, outputSource: statistics/result}
  tissue: {type: File, outputSource: tissue/tissue}
  sections: {type: File, outputSource: tissue/sections}
