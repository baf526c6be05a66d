"""A workflow of one threshold, whose tool is described in ``tool.cwl``."""

WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], at: double?, store: string}
outputs:
  mask: {type: File, outputSource: mark/result}
steps:
  mark: {run: tool.cwl, in: {image: raw, at: at, store: store}, out: [result]}
"""
