cwlVersion: v1.2
class: Workflow
label: em.neurons
doc: >
  Neurons from membranes and affinities: watershed supervoxels, merged across blocks and agglomerated by their
  affinities. The result does not depend on the blocks.
inputs:
  membranes: {type: [File, string], doc: "Membrane map, uint8, 255 = membrane."}
  affinities: {type: [File, string], doc: "Affinities to the next voxel along z, y and x, uint8, 255 = same neuron."}
  tissue: {type: ["null", File, string], doc: "Tissue map from common.tissue; no neurons where it is 0."}
  fragment_threshold: {type: "int?", doc: "Voxels of the membrane map with at least this value are membrane."}
  fragment_depth_nm: {type: "double?", doc: "Depth of the valleys that certain membrane forms in the watershed landscape, in nm."}
  threshold: {type: "double?", doc: "Minimum affinity (0 to 1) at which two fragments are merged."}
  method: {type: "string?", doc: "Agglomeration method: mean, waterz or mutex."}
  quantile: {type: "double?", doc: "Quantile of the affinities (0 to 1), for the method waterz."}
  min_volume_um3: {type: "double?", doc: "Smaller neurons, in cubic micrometres, are merged into the neighbour with the highest affinity."}
  holes: {type: "boolean?", doc: "Whether objects enclosed by one neuron are merged into it."}
  store: string
  block: string?
  workers: int?
steps:
  fragments:
    run: ../tools/em.fragments.cwl
    in:
      membranes: membranes
      tissue: tissue
      threshold: fragment_threshold
      depth_nm: fragment_depth_nm
      store: store
      block: block
      workers: workers
    out: [basins]
  join:
    run: ../tools/em.fragments_join.cwl
    in: {basins: fragments/basins, store: store, block: block, workers: workers}
    out: [lookup]
  apply:
    run: ../tools/em.fragments_apply.cwl
    in:
      basins: fragments/basins
      lookup: join/lookup
      store: store
      block: block
      workers: workers
    out: [fragments]
  edges:
    run: ../tools/em.edges.cwl
    in:
      fragments: apply/fragments
      affinities: affinities
      store: store
      block: block
      workers: workers
    out: [edges, nodes]
  agglomerate:
    run: ../tools/em.agglomerate.cwl
    in:
      edges: edges/edges
      nodes: edges/nodes
      threshold: threshold
      method: method
      quantile: quantile
      min_volume_um3: min_volume_um3
      holes: holes
      store: store
    out: [lookup, objects]
  relabel:
    run: ../tools/common.relabel.cwl
    in:
      labels: apply/fragments
      lookup: agglomerate/lookup
      store: store
      block: block
      workers: workers
    out: [result]
outputs:
  neurons: {type: File, outputSource: relabel/result}
  objects: {type: File, outputSource: agglomerate/objects}
  fragment_ids: {type: File, outputSource: apply/fragments}
